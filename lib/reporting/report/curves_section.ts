import { type Curves, isCount, type Measure } from './curves.js'
import { html, type Html } from './html.js'
import { formatCount, formatNumber } from './numbers.js'

interface ChartKind {
  title: string
  unit: string
  meaning: string
  measure: Measure
  /** Whether the switch to a logarithmic axis applies, and smoothing. */
  log: boolean
  noisy: boolean
}

const chartKinds: readonly ChartKind[] = [
  {
    measure: 'lm',
    title: 'Text loss',
    unit: 'nats per token',
    meaning: 'Mean cross-entropy of the next token; lower is better.',
    log: true,
    noisy: true,
  },
  {
    measure: 'diffusion',
    title: 'Image loss',
    unit: 'weighted squared error',
    meaning: 'Mean error of what the network says of noised images; lower is better.',
    log: true,
    noisy: true,
  },
  {
    measure: 'gradient_norm',
    title: 'Gradient norm',
    unit: 'before clipping',
    meaning: 'Red rings are spikes: norms that stand out from those before.',
    log: true,
    noisy: true,
  },
  {
    measure: 'learning_rate',
    title: 'Learning rate',
    unit: 'per step',
    meaning: 'As the schedule has it.',
    log: true,
    noisy: false,
  },
  {
    measure: 'positions_per_second',
    title: 'Speed',
    unit: 'positions per second',
    meaning: 'Tokens and patches learned from, by the time of training alone.',
    log: false,
    noisy: true,
  },
  {
    measure: 'matmul_share',
    title: 'Share of the matmul rate',
    unit: "of the machine's rate",
    meaning: 'Operations of matrix products, of what the machine does of them at best.',
    log: false,
    noisy: true,
  },
  {
    measure: 'skipped_steps',
    title: 'Steps skipped',
    unit: 'so far',
    meaning: 'Steps whose gradient was not finite; the weights stayed as they were.',
    log: false,
    noisy: false,
  },
  {
    measure: 'skipped_documents',
    title: 'Documents skipped',
    unit: 'so far',
    meaning: 'Documents that could not be read.',
    log: false,
    noisy: false,
  },
]

const controls = html`<form class="controls" id="controls" hidden>
  <fieldset>
    <legend>Across</legend>
    <label><input type="radio" name="x" value="steps" checked /> steps</label>
    <label><input type="radio" name="x" value="seconds" /> time</label>
  </fieldset>
  <fieldset>
    <legend>Upward</legend>
    <label><input type="radio" name="scale" value="linear" checked /> linear</label>
    <label><input type="radio" name="scale" value="log" /> logarithmic</label>
  </fieldset>
  <label class="slider"
    ><span>Smoothing <output id="smoothing-value">0</output></span>
    <input type="range" name="smoothing" min="0" max="0.99" step="0.01" value="0"
  /></label>
  <label class="slider"
    ><span>From <output id="from-value"></output></span>
    <input type="range" name="from" min="0" max="1000" value="0"
  /></label>
  <label class="slider"
    ><span>To <output id="to-value"></output></span>
    <input type="range" name="to" min="0" max="1000" value="1000"
  /></label>
  <button type="button" id="whole">Show all</button>
</form>`

/** The section of the curves. A sentence stands for a count that stayed zero; what was not measured is left out. */
export function curvesSection(curves: Curves, resumed: number): Html {
  const { totals, step, spikes } = curves.summary
  const drawn = chartKinds.filter(
    ({ measure }) => totals[measure].count > 0 && !(isCount(measure) && totals[measure].high === 0),
  )
  if (drawn.length === 0)
    return html`<section id="curves">
      <h2>Curves</h2>
      <p>No metrics are written yet.</p>
    </section>`
  const remarks = [
    ...(resumed > 0 ? ['Dashed lines show where the run was resumed.'] : []),
    ...(['skipped_steps', 'skipped_documents'] as const)
      .filter((measure) => totals[measure].high === 0)
      .map((measure) => `No ${measure === 'skipped_steps' ? 'step' : 'document'} was skipped.`),
    ...(totals.gradient_norm.count > 0 && spikes === 0 ? ['No gradient norm was a spike.'] : []),
    ...(curves.stride > 1
      ? [
          `Each point is the mean of ${curves.stride} records, with the range of their values shaded: ` +
            `${formatCount(step, 'step')} are too many to be drawn one by one.`,
        ]
      : []),
  ]
  return html`<section id="curves">
    <h2>Curves</h2>
    ${controls}
    <p class="hint screen" id="curves-hint" hidden>
      Drag across a chart, or move From and To, to look closer; double-click to see all again.
    </p>
    <noscript
      ><p class="hint">
        The curves themselves are drawn by a script, which this page may not run here.
      </p></noscript
    >
    <div class="charts">${drawn.map((kind) => chart(kind, curves))}</div>
    <p class="hint">${remarks.join(' ')}</p>
  </section>`
}

function chart({ title, unit, meaning, measure, log, noisy }: ChartKind, curves: Curves): Html {
  const { totals, first, spikes } = curves.summary
  const { last, low, high, sum, count } = totals[measure]
  const rate = measure === 'positions_per_second' || measure === 'matmul_share'
  const words = isCount(measure)
    ? `${formatNumber(last)} ${unit}.`
    : `First ${formatNumber(first[measure]!)}, last ${formatNumber(last)}, lowest ${formatNumber(low)}, ` +
      `highest ${formatNumber(high)}${rate ? `, mean ${formatNumber(sum / count)}` : ''}.` +
      (measure === 'gradient_norm' && spikes > 0 ? ` ${formatCount(spikes, 'spike')}.` : '')
  const told =
    measure === 'gradient_norm' && spikes === 0 ? 'Length of the gradient of all weights.' : meaning
  return html`<figure class="chart" aria-labelledby="title-${measure}">
    <figcaption>
      <h3 id="title-${measure}">${title} <small>${unit}</small></h3>
      <p>${told}</p>
    </figcaption>
    <div
      class="plot"
      role="img"
      aria-label="${title}. ${words}"
      data-measure="${measure}"
      data-log="${String(log)}"
      data-noisy="${String(noisy)}"
    ></div>
    <p class="readout" aria-hidden="true"></p>
    <p class="words">${words}</p>
  </figure>`
}
