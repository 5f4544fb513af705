import type { Session } from '../sessions.js'
import { html, type Html } from './html.js'
import { formatDuration, formatNumber, formatTime } from './numbers.js'
import type { Run } from './read_run.js'

/** The run's name, how it stands, and the numbers that one looks for first. */
export function header({ name, curves, sessions, config }: Run, now: Date): Html {
  const { step, seconds, totals, spikes } = curves.summary
  const planned = plannedSteps(config)
  const of = planned && planned !== step ? ` of ${planned.toLocaleString('en')}` : ''
  const last = (measure: 'lm' | 'diffusion') =>
    totals[measure].count > 0 ? formatNumber(totals[measure].last) : undefined
  const mean = (measure: 'positions_per_second' | 'matmul_share') =>
    totals[measure].count > 0 ? totals[measure].sum / totals[measure].count : undefined
  const speed = mean('positions_per_second')
  const share = mean('matmul_share')
  const tiles: [label: string, value: string | undefined][] = [
    ['Steps', step.toLocaleString('en') + of],
    ['Training time', seconds > 0 ? formatDuration(seconds) : undefined],
    ['Parameters', sessions && abbreviated(sessions.parameters)],
    ['Text loss, last', last('lm')],
    ['Image loss, last', last('diffusion')],
    ['Positions per second', speed === undefined ? undefined : formatNumber(Math.round(speed))],
    ['Of the matmul rate', share === undefined ? undefined : `${Math.round(share * 100)}%`],
    ['Gradient spikes', totals.gradient_norm.count > 0 ? String(spikes) : undefined],
    ['Steps skipped', totals.skipped_steps.count > 0 ? formatNumber(totals.skipped_steps.last) : undefined],
  ]
  return html`<header>
    <p class="kind">Training run</p>
    <h1>${name}</h1>
    ${standing(sessions?.sessions.at(-1))}
    <dl class="tiles">
      ${tiles.map(
        ([label, value]) =>
          value &&
          html`<div>
            <dt>${label}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
    <p class="hint">
      As of ${formatTime(now.toISOString())}; <code>transfusion report</code> writes this page anew.
    </p>
  </header>`
}

function standing(session: Session | undefined): Html | undefined {
  if (!session) return undefined
  const { ended, started } = session
  if (!ended)
    return html`<p class="standing open">
      Going on since ${formatTime(started)}, or killed since then: no end of it is noted.
    </p>`
  const at = `at step ${ended.step.toLocaleString('en')}, ${formatTime(ended.time)}`
  if (ended.how === 'finished') return html`<p class="standing good">Finished ${at}.</p>`
  if (ended.how === 'interrupted') return html`<p class="standing open">Stopped ${at}.</p>`
  return html`<p class="standing bad">Failed ${at}: ${ended.message}</p>`
}

/** "846,218" or "1.24 M". */
const abbreviated = (count: number): string =>
  count < 1e6 ? count.toLocaleString('en') : `${formatNumber(count / 1e6, 3)} M`

function plannedSteps(config: unknown): number | undefined {
  const steps = (config as { training?: { steps?: unknown } } | null | undefined)?.training?.steps
  return typeof steps === 'number' ? steps : undefined
}
