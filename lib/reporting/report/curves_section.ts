import { type ChartKind, chartKinds } from './chart_kinds.js'
import { type Curves, isCount, rateOf } from './curves.js'
import { html, type Html } from './html.js'
import { formatCount, formatNumber } from './numbers.js'

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
  const drawn = chartKinds([...totals.keys()]).filter(
    ({ measure }) => !(isCount(measure) && totals.get(measure)!.high === 0),
  )
  if (drawn.length === 0)
    return html`<section id="curves">
      <h2>Curves</h2>
      <p>No metrics are written yet.</p>
    </section>`
  const remarks = [
    ...(resumed > 0 ? ['Dashed lines show where the run was resumed.'] : []),
    ...(['skipped_steps', 'skipped_documents'] as const)
      .filter((measure) => totals.get(measure)?.high === 0)
      .map((measure) => `No ${measure === 'skipped_steps' ? 'step' : 'document'} was skipped.`),
    ...(totals.has('gradient_norm') && spikes === 0 ? ['No gradient norm was a spike.'] : []),
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
  const { last, low, high, sum, count } = totals.get(measure)!
  const rate = rateOf(measure) !== undefined || measure === 'matmul_share'
  const words = isCount(measure)
    ? `${formatNumber(last)} ${unit}.`
    : `First ${formatNumber(first.get(measure)!)}, last ${formatNumber(last)}, lowest ${formatNumber(low)}, ` +
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
