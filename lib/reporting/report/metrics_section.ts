import { describeMetric } from './metric_descriptions.js'
import type { Metric, MetricTable } from './metric_tables.js'
import { html, type Html } from './html.js'
import { type InlineImage, picture } from './inline_image.js'
import { formatNumber } from './numbers.js'

export function metricsSection(tables: readonly MetricTable[], contactSheet: InlineImage | undefined): Html {
  if (tables.length === 0 && !contactSheet)
    return html`<section id="metrics">
      <h2>Metrics</h2>
      <p>None yet: <code>transfusion eval</code> measures the model and writes them beside it.</p>
    </section>`
  return html`<section id="metrics">
    <h2>Metrics</h2>
    ${tables.map(metricTable)}
    ${
      contactSheet &&
      html`<figure class="contact">
        ${picture(contactSheet, 'Images generated from each caption, and test images with the captions written for them')}
        <figcaption>
          Images generated from captions, and captions written for test images: correct ones green, wrong ones
          red.
        </figcaption>
      </figure>`
    }
  </section>`
}

function metricTable({ title, settings, metrics }: MetricTable): Html {
  return html`<h3>${title}</h3>
    <div class="scroll" tabindex="0" role="region" aria-label="${title}">
      <table class="metrics">
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col" class="number">Value</th>
            <th scope="col">What it measures</th>
          </tr>
        </thead>
        <tbody>
          ${Object.entries(metrics).map(([name, metric]) => metricRow(name, metric))}
        </tbody>
      </table>
    </div>
    ${settings && html`<p class="hint">Measured with <code>${JSON.stringify(settings)}</code></p>`}`
}

function metricRow(name: string, { value, standard_error, count }: Metric): Html {
  const { label, meaning } = describeMetric(name)
  const error = standard_error ? html`<small> ± ${formatNumber(standard_error, 2)}</small>` : undefined
  const of =
    count === undefined ? undefined : html`<small class="count">n = ${count.toLocaleString('en')}</small>`
  return html`<tr>
    <th scope="row">${label}<br /><code>${name}</code></th>
    <td class="number">${value === null ? 'not finite' : formatNumber(value)}${error} ${of}</td>
    <td>${meaning}</td>
  </tr>`
}
