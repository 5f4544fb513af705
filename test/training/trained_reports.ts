import type { CheckpointFolder } from '../../lib/training/checkpoint_folder.js'
import type { StepReport } from '../../lib/training/step_report.js'
import type { TaskTrainer } from '../../lib/training/task_trainer.js'

/** Trains to the end, or to step `stopAt`, which saves a checkpoint in `folder`. Returns the reports without wall time. */
export async function trainedReports(
  trainer: TaskTrainer,
  { stopAt = Infinity, folder }: { stopAt?: number; folder?: CheckpointFolder } = {},
): Promise<Omit<StepReport, 'seconds'>[]> {
  const reports: Omit<StepReport, 'seconds'>[] = []
  const stop = new AbortController()
  await trainer.run({
    signal: stop.signal,
    onStep({ seconds: _seconds, ...report }) {
      reports.push(report)
      if (report.step >= stopAt) stop.abort()
    },
    ...(folder && { checkpoints: { folder, steps: Infinity } }),
  })
  return reports
}
