import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** The names of what a run's folder keeps for its report. */
export const runFiles = {
  config: 'config.json',
  metrics: 'metrics.jsonl',
  /** Sizes, and the sessions with their machines. */
  sessions: 'run.json',
  report: 'report.html',
} as const

const sheetName = /^samples-(\d{7,})\.png$/

/** A sheet of samples drawn at a step. */
export const sheetFile = (step: number): string => `samples-${String(step).padStart(7, '0')}.png`

/** The sheets in a run's folder, in the order of their steps. */
export async function findSheets(folder: string): Promise<{ step: number; path: string }[]> {
  return (await readdir(folder))
    .flatMap((name) => {
      const step = sheetName.exec(name)?.[1]
      return step === undefined ? [] : [{ step: Number(step), path: join(folder, name) }]
    })
    .toSorted((a, b) => a.step - b.step)
}
