import { figureMeanings } from './figure_meanings.js'
import type { Figure, FigureTable } from './figures.js'
import { html, type Html } from './html.js'
import { type InlineImage, picture } from './inline_image.js'
import { formatNumber } from './numbers.js'

export function figuresSection(tables: readonly FigureTable[], contactSheet: InlineImage | undefined): Html {
  if (tables.length === 0 && !contactSheet)
    return html`<section id="figures">
      <h2>Figures</h2>
      <p>None yet: <code>transfusion eval</code> measures the model and writes them beside it.</p>
    </section>`
  return html`<section id="figures">
    <h2>Figures</h2>
    ${tables.map(figureTable)}
    ${
      contactSheet &&
      html`<figure class="contact">
        ${picture(contactSheet, 'Images drawn from each caption, and test images with the captions written for them')}
        <figcaption>
          Drawn from captions, and captions written for test images: right ones green, wrong ones red.
        </figcaption>
      </figure>`
    }
  </section>`
}

function figureTable({ title, settings, figures }: FigureTable): Html {
  return html`<h3>${title}</h3>
    <div class="scroll" tabindex="0" role="region" aria-label="${title}">
      <table class="figures">
        <thead>
          <tr>
            <th scope="col">Figure</th>
            <th scope="col" class="number">Value</th>
            <th scope="col">What it tells</th>
          </tr>
        </thead>
        <tbody>
          ${Object.entries(figures).map(([name, figure]) => figureRow(name, figure))}
        </tbody>
      </table>
    </div>
    ${settings && html`<p class="hint">Measured with <code>${JSON.stringify(settings)}</code></p>`}`
}

function figureRow(name: string, { value, standard_error, count }: Figure): Html {
  const { label, meaning } = figureMeanings[name] ?? { label: name, meaning: '' }
  const error = standard_error ? html`<small> ± ${formatNumber(standard_error, 2)}</small>` : undefined
  const of =
    count === undefined ? undefined : html`<small class="count">n = ${count.toLocaleString('en')}</small>`
  return html`<tr>
    <th scope="row">${label}<br /><code>${name}</code></th>
    <td class="number">${value === null ? 'not finite' : formatNumber(value)}${error} ${of}</td>
    <td>${meaning}</td>
  </tr>`
}
