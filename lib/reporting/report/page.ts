import { createHash } from 'node:crypto'
import type { Assets } from './assets.js'
import type { ChartData } from './chart_data.js'
import { curvesSection } from './curves_section.js'
import { configSection } from './config_section.js'
import { metricsSection } from './metrics_section.js'
import { header } from './header.js'
import { html, Html, scriptJson } from './html.js'
import type { Run } from './read_run.js'
import { samplesSection } from './samples_section.js'
import { sessionsSection } from './sessions_section.js'

/**
 * The page of a run: HTML that needs nothing else. Its policy lets it load nothing, and run its own script alone:
 * whatever text of a file's might be taken for a script would not run.
 */
export function renderPage(run: Run, assets: Assets, now: Date): string {
  const data: ChartData = { ...run.curves.chartData(), resumed: resumedSteps(run) }
  const hash = createHash('sha256').update(assets.script).digest('base64')
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; base-uri 'none'`
  // As it is hashed, without a space around it.
  const script = new Html(`<script>${assets.script}</script>`)
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${run.name}: training report</title>
        <style>
          ${new Html(assets.style)}
        </style>
      </head>
      <body>
        <main>
          ${header(run, now)} ${problemsSection(run.problems)}
          ${curvesSection(run.curves, data.resumed.length)} ${samplesSection(run.sheets)}
          ${metricsSection(run.metrics, run.contactSheet)} ${sessionsSection(run.sessions)}
          ${configSection(run.config)}
        </main>
        <script type="application/json" id="chart-data">
          ${scriptJson(data)}
        </script>
        ${script}
      </body>
    </html> `.text
}

const resumedSteps = ({ sessions }: Run): number[] =>
  sessions?.sessions.map(({ step }) => step).filter((step) => step > 0) ?? []

const problemsSection = (problems: readonly string[]): Html | undefined =>
  problems.length === 0
    ? undefined
    : html`<section id="problems" class="problems">
        <h2>Missing or damaged</h2>
        <ul>
          ${problems.map((problem) => html`<li>${problem}</li>`)}
        </ul>
      </section>`
