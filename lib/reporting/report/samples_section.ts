import { html, type Html } from './html.js'
import { picture } from './inline_image.js'
import type { Sheets } from './sheets.js'

/** Sheets that paper shows: it has no slider. */
const printedSheets = 4

export function samplesSection({ shown, count }: Sheets): Html {
  if (shown.length === 0)
    return html`<section id="samples">
      <h2>Samples</h2>
      <p>There are no sheets of samples.</p>
    </section>`
  const printed = new Set(
    Array.from({ length: printedSheets }, (_, i) =>
      Math.round((i * (shown.length - 1)) / (printedSheets - 1)),
    ),
  )
  const note = shown.length < count ? ` ${shown.length} of ${count} sheets are shown, evenly spread.` : ''
  return html`<section id="samples">
    <h2>Samples over time</h2>
    <p class="hint">
      Images that the model generated during training, with the averaged weights where they are kept.${note}
    </p>
    <div class="controls" id="sheet-controls" hidden>
      <button type="button" id="play" aria-pressed="false">Play</button>
      <label class="slider wide"
        ><span>Sheet <output id="sheet-value"></output></span>
        <input type="range" id="sheet" min="0" max="${shown.length - 1}" value="${shown.length - 1}"
      /></label>
    </div>
    <ol class="sheets" id="sheets" tabindex="0" aria-label="Sheets of samples, by step">
      ${shown.map(
        ({ step, image, captions }, i) =>
          html`<li class="${printed.has(i) ? 'printed' : ''}" data-step="${step}">
            <figure>
              ${picture(image, sheetText(step, captions))}
              <figcaption>
                <strong>Step ${step.toLocaleString('en')}</strong> ${captionList(captions)}
              </figcaption>
            </figure>
          </li>`,
      )}
    </ol>
  </section>`
}

const sheetText = (step: number, captions: readonly string[]): string =>
  `Images generated at step ${step}${captions.length > 0 ? `: ${captions.slice(0, namedCaptions).map(shortened).join(', ')}` : ''}`

const namedCaptions = 50
const longestCaption = 120
const shortened = (text: string): string =>
  text.length > longestCaption ? `${text.slice(0, longestCaption)} ...` : text

function captionList(captions: readonly string[]): Html {
  if (captions.length === 0) return html``
  const more = captions.length - namedCaptions
  return html`<ol class="captions">
    ${captions.slice(0, namedCaptions).map((caption) => html`<li>${shortened(caption)}</li>`)}
    ${more > 0 ? html`<li>and ${more} more</li>` : undefined}
  </ol>`
}
