import { html, type Html } from './html.js'

const longestConfig = 100_000

export function configSection(config: unknown): Html | undefined {
  if (config === undefined) return undefined
  const text = JSON.stringify(config, null, 2)
  const rest = text.length - longestConfig
  return html`<section id="config">
    <h2>Config</h2>
    <pre tabindex="0" role="region" aria-label="Config"><code>${text.slice(0, longestConfig)}</code></pre>
    ${rest > 0 ? html`<p class="hint">${rest} more characters are in the file.</p>` : undefined}
  </section>`
}
