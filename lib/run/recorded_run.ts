import type { RunRecorder } from '../reporting/run_recorder.js'
import type { Outcome } from '../reporting/sessions.js'
import { writeReport } from '../reporting/report.js'
import { tellReport } from '../cli/report.js'

/**
 * Does what a recorder records. Whatever comes of it, the recorder is closed, how it ended is noted, and the run's report
 * is written; what fails in that is a warning, and hides nothing.
 */
export async function recordedRun(
  folder: string,
  recorder: RunRecorder,
  warn: (line: string) => void,
  run: () => Promise<'finished' | 'interrupted'>,
): Promise<void> {
  let outcome: Outcome = { how: 'failed' }
  try {
    outcome = { how: await run() }
  } catch (error) {
    outcome = { how: 'failed', message: error instanceof Error ? error.message : String(error) }
    throw error
  } finally {
    await recorder.close(outcome).catch((error: Error) => warn(`not written: ${error.message}`))
    await writeReport(folder).then(tellReport, (error: Error) => warn(`no report: ${error.message}`))
  }
}
