import { formatBytes } from '../reporting/report/numbers.js'
import { writeReport } from '../reporting/report.js'
import type { RunRecorder } from '../reporting/run_recorder.js'
import type { Outcome } from '../reporting/sessions.js'
import type { RunMessages } from './messages.js'

/**
 * Runs `body`, which is recorded. However it ends, the recorder is closed, the session's outcome is noted and the run's
 * report is written; a failure of these is a warning, so that it never hides the error of `body`.
 */
export async function recordedRun(
  folder: string,
  recorder: RunRecorder,
  { onMessage, onWarning }: RunMessages,
  body: () => Promise<'finished' | 'interrupted'>,
): Promise<void> {
  let outcome: Outcome = { how: 'failed' }
  try {
    outcome = { how: await body() }
  } catch (error) {
    outcome = { how: 'failed', message: error instanceof Error ? error.message : String(error) }
    throw error
  } finally {
    await recorder.close(outcome).catch((error: Error) => onWarning(`not written: ${error.message}`))
    const report = await writeReport(folder).catch(
      (error: Error) => void onWarning(`no report: ${error.message}`),
    )
    for (const problem of report?.problems ?? []) onWarning(problem)
    if (report) onMessage(`report: ${report.path} (${formatBytes(report.bytes)})`)
  }
}
