import { readFile } from 'node:fs/promises'

/** What scripts/build.mjs makes of lib/reporting/browser. This module runs from lib/ too, where only the source lies. */
const built = new URL('../../../dist/reporting/browser/', import.meta.url)

export interface Assets {
  script: string
  style: string
}

/** The page's script and style, those of the chart library included. */
export async function readAssets(): Promise<Assets> {
  const [script, style] = await Promise.all(
    ['page.js', 'page.css'].map((name) => readFile(new URL(name, built), 'utf8')),
  )
  return { script: script!, style: style! }
}
