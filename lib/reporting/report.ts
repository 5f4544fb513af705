import { join } from 'node:path'
import { writeAtomically } from '../files/atomic_file.js'
import { readAssets } from './report/assets.js'
import { renderPage } from './report/page.js'
import { readRun } from './report/read_run.js'
import { runFiles } from './run_files.js'

/** A report that was written. */
export interface Report {
  path: string
  bytes: number
  /** What is missing or damaged in the run's folder, a sentence each; the page says it too. */
  problems: readonly string[]
}

/**
 * Writes a run's report, one HTML page that needs neither network nor other files: curves, samples over time, metrics,
 * sessions, machine and config. The run may go on meanwhile. `path`: by default `report.html` in the run's folder.
 * Rejects with an Error where the folder is none of a run, or the page cannot be written.
 */
export async function writeReport(folder: string, path = join(folder, runFiles.report)): Promise<Report> {
  const [run, assets] = await Promise.all([readRun(folder), readAssets()])
  const page = renderPage(run, assets, new Date())
  await writeAtomically(path, page)
  return { path, bytes: Buffer.byteLength(page), problems: run.problems }
}
