import type { Session } from '../sessions.js'
import { termTitle } from '../term_titles.js'
import { rateMeasure, rateOf, samplesOf, termMeasure, termOf } from './curves.js'
import { html, type Html } from './html.js'
import { formatDuration, formatNumber, formatTime } from './numbers.js'
import type { Run } from './read_run.js'

type Tile = [label: string, value: string | undefined]

/** The run's name, how it stands, and the numbers that one looks for first. */
export function header({ name, curves, sessions, config }: Run, now: Date): Html {
  const { step, seconds, totals, spikes } = curves.summary
  const planned = plannedSteps(config)
  const of = planned && planned !== step ? ` of ${planned.toLocaleString('en')}` : ''
  const last = (measure: string) => {
    const total = totals.get(measure)
    return total && formatNumber(total.last)
  }
  const mean = (measure: string) => {
    const total = totals.get(measure)
    return total && total.sum / total.count
  }
  const terms = [...totals.keys()].flatMap((measure) => termOf(measure) ?? [])
  const rates = [...totals.keys()].flatMap((measure) => rateOf(measure) ?? [])
  const share = mean('matmul_share')
  const tiles: Tile[] = [
    ['Steps', step.toLocaleString('en') + of],
    ['Training time', seconds > 0 ? formatDuration(seconds) : undefined],
    ['Parameters', sessions && abbreviated(sessions.parameters)],
    ...terms.map((term): Tile => [`${capitalized(termTitle(term))}, last`, last(termMeasure(term))]),
    ...[...totals.keys()].flatMap((measure): Tile[] => {
      const sample = samplesOf(measure)
      return sample === undefined ? [] : [[`${sample.toUpperCase()} of samples, last`, last(measure)]]
    }),
    ...rates.map((count): Tile => {
      const speed = mean(rateMeasure(count))
      return [
        `${capitalized(count)} per second`,
        speed === undefined ? undefined : formatNumber(Math.round(speed)),
      ]
    }),
    ['Of the matmul rate', share === undefined ? undefined : `${Math.round(share * 100)}%`],
    ['Gradient spikes', totals.has('gradient_norm') ? String(spikes) : undefined],
    ['Steps skipped', last('skipped_steps')],
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

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function plannedSteps(config: unknown): number | undefined {
  const steps = (config as { training?: { steps?: unknown } } | null | undefined)?.training?.steps
  return typeof steps === 'number' ? steps : undefined
}
