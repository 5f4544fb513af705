import { measureMatmulRate } from '../reporting/matmul_rate.js'
import { formatCount } from '../reporting/report/numbers.js'
import { RunRecorder } from '../reporting/run_recorder.js'
import type { CheckpointFolder } from '../training/checkpoint_folder.js'
import type { StepReport } from '../training/step_report.js'
import type { TaskTrainer } from '../training/task_trainer.js'
import type { LeftOutReport } from './left_out_report.js'
import type { RunMessages } from './messages.js'
import { recordedRun } from './recorded_run.js'
import { runPaths } from './run_folder.js'
import type { DrawSheet, RunData, RunModel } from './run_model.js'
import type { TrainConfig } from './train_config.js'
import { documentsOf } from './train_data.js'

/** Steps after which metrics are written at the latest. */
const flushedSteps = 100

/** A model that is about to be trained, and what belongs to its run. */
export interface TrainSession {
  /** The run's folder. */
  out: string
  config: TrainConfig
  model: RunModel
  trainer: TaskTrainer
  data: RunData
  leftOut: LeftOutReport
  checkpoints: CheckpointFolder
  /** Where the session begins, to be said behind the model's sizes. */
  beginning: string
}

/** What ends a session, and what is told of it. */
export interface SessionHooks extends Partial<RunMessages> {
  /** Ends training after the current step, and saves; the same call goes on from there. It counts from `onReady` on. */
  signal?: AbortSignal
  /** Called before the first step. `matmulRate`: the machine's rate of matrix products in FLOP/s, as measured. */
  onTrainingStart?: (machine: { matmulRate: number }) => void
  /** Called after each step. */
  onStep?: (report: StepReport) => void
  /** Called once no more steps are taken, also where training fails. `completed`: nothing is left to train. */
  onTrainingEnd?: (completed: boolean) => void
}

/**
 * Trains to the end or until the signal aborts; writes metrics, sheets of samples, checkpoints, report and at the end the
 * model.
 */
export async function trainSession(
  session: TrainSession,
  hooks: SessionHooks & RunMessages,
): Promise<'finished' | 'interrupted'> {
  const { out, config, model, trainer, data } = session
  const { onMessage, onWarning } = hooks
  const documents = documentsOf(data.sources)
  if (documents !== undefined) onMessage(formatCount(documents, 'document'))
  // Before anything is waited for: the weights of large models take a while.
  onMessage(model.sizes + session.beginning)
  for (const advice of model.advice) onWarning(advice)
  const drawSheet = await model.sheets(data, onWarning)
  const matmulRate = await measureMatmulRate(config.precision, config.device)
  const { steps: step, seconds } = trainer.done
  const recorder = await RunRecorder.open(out, {
    step,
    seconds,
    parameters: model.parameterCount,
    config,
    matmulRate,
    ...config.log,
  })
  hooks.onTrainingStart?.({ matmulRate })
  let outcome: 'finished' | 'interrupted' = 'finished'
  await recordedRun(out, recorder, hooks, async () => {
    outcome = await train(session, hooks, recorder, drawSheet)
    return outcome
  })
  return outcome
}

async function train(
  { out, config, model, trainer, data, leftOut, checkpoints }: TrainSession,
  { signal, onMessage, onWarning, onStep, onTrainingEnd }: SessionHooks & RunMessages,
  recorder: RunRecorder,
  drawSheet: DrawSheet,
): Promise<'finished' | 'interrupted'> {
  const isStopped = () => signal?.aborted ?? false
  // Training goes on without what it reports.
  const notWritten = (error: Error) => onWarning(`not written: ${error.message}`)
  const flush = () => recorder.flush().catch(notWritten)
  const writeSamples = async (step: number) => {
    const sheet = await drawSheet(step, signal)
    if (sheet) await recorder.sheet(step, sheet).catch(notWritten)
    await flush()
  }
  const { every, onSaveError } = config.checkpoints
  let completed = false
  try {
    await trainer.run({
      ...(signal && { signal }),
      onStep: (report) => {
        onStep?.(report)
        recorder.step(report)
        if (report.step % flushedSteps === 0 || report.step % every === 0) void flush()
      },
      every: { steps: config.samples.every, run: writeSamples },
      checkpoints: { folder: checkpoints, steps: every, onSaveError },
      onWarning,
    })
    completed = !isStopped()
  } finally {
    onTrainingEnd?.(completed)
  }
  for (const line of leftOut.summary(data.sources)) onMessage(line)
  const { steps } = trainer.done
  if (!completed) {
    onMessage(`Stopped at step ${steps}, which is saved; the same command goes on from it.`)
    return 'interrupted'
  }
  await model.save(runPaths(out).model, data)
  if (steps % config.samples.every !== 0) await writeSamples(steps)
  onMessage(`${steps} steps; the model is in ${runPaths(out).model}`)
  return 'finished'
}
