import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** The names of what a run's folder keeps for its report. */
export const runFiles = {
  config: 'config.json',
  metrics: 'metrics.jsonl',
  /** Sizes, and the sessions with their machines. */
  sessions: 'run.json',
  /** Metrics of `transfusion eval`, and those of the demo with its sheet of generated and described images. */
  evaluation: 'eval.json',
  finalMetrics: 'final_metrics.json',
  contactSheet: 'samples.png',
  report: 'report.html',
} as const

const sheetName = /^samples-(\d{7,})\.(png|json)$/

/** A sheet of images generated at a step. */
export const sheetFile = (step: number): string => `samples-${String(step).padStart(7, '0')}.png`

/** The captions of a sheet's images: a list of texts, for those who cannot see the sheet. */
export const sheetCaptionsFile = (step: number): string => sheetFile(step).replace(/png$/, 'json')

/** A file of a step. */
export interface StepFile {
  step: number
  path: string
}

/** The sheets in a run's folder, and the lists of their captions, in the order of their steps. */
export async function findSheets(folder: string): Promise<{ sheets: StepFile[]; captions: StepFile[] }> {
  const [sheets, captions]: [StepFile[], StepFile[]] = [[], []]
  for (const name of await readdir(folder)) {
    const [, step, type] = sheetName.exec(name) ?? []
    if (step) (type === 'png' ? sheets : captions).push({ step: Number(step), path: join(folder, name) })
  }
  const byStep = (a: StepFile, b: StepFile) => a.step - b.step
  return { sheets: sheets.toSorted(byStep), captions: captions.toSorted(byStep) }
}
