import { checkArguments, checkOptions } from '../arguments.js'
import { describe } from '../describe.js'
import type { CheckpointFolder } from './checkpoint_folder.js'
import type { StepReport } from './step_report.js'

/** What happens beside training: checkpoints, samples, reports. Where a hook throws or rejects, training ends with that. */
export interface RunHooks {
  /** Ends training after the current step. */
  signal?: AbortSignal
  /** Receives the report of each step, once it is done; where it returns a promise, training waits for it. */
  onStep?: (report: StepReport) => void
  /** Called between steps with the averaged weights in place until it resolves; the clock stands still meanwhile. */
  every?: { steps: number; run: (step: number) => Promise<void> }
  /**
   * Where and how often to save. There is one more checkpoint at the end, when the signal aborts and when training fails.
   * One between steps that cannot be written is left out with a warning, or with 'stop' ends training.
   */
  checkpoints?: { folder: CheckpointFolder; steps: number; onSaveError?: 'skip' | 'stop' }
  /**
   * Receives warnings: of settings that are hardly meant, of a checkpoint that could not be written while training goes on,
   * and of data that was changed since it began.
   */
  onWarning?: (message: string) => void
}

/**
 * Throws a TypeError for hooks and settings of hooks that are unknown or of another type, and a RangeError for a number of
 * steps that no hook can have.
 */
export function checkHooks(hooks: RunHooks): void {
  checkOptions('Trainer.run', hooks, {
    signal: true,
    onStep: true,
    every: true,
    checkpoints: true,
    onWarning: true,
  })
  const { every, checkpoints } = hooks
  if (every) {
    checkOptions('Trainer.run', every, { steps: true, run: true }, 'options.every')
    checkArguments('Trainer.run', { 'options.every.run': [every.run, 'function'] })
    checkSteps('options.every.steps', every.steps)
  }
  if (checkpoints) {
    const keys = { folder: true, steps: true, onSaveError: true } as const
    checkOptions('Trainer.run', checkpoints, keys, 'options.checkpoints')
    checkArguments('Trainer.run', { 'options.checkpoints.folder': [checkpoints.folder, 'object'] })
    checkSteps('options.checkpoints.steps', checkpoints.steps)
    checkSaveErrorPolicy(checkpoints.onSaveError)
  }
}

function checkSaveErrorPolicy(policy: unknown): void {
  if (policy === undefined || policy === 'skip' || policy === 'stop') return
  throw new TypeError(
    `Trainer.run: options.checkpoints.onSaveError must be 'skip' or 'stop', received ${describe(policy)}`,
  )
}

function checkSteps(name: string, steps: number): void {
  // Infinity: never between steps.
  if (!(steps >= 1 && (Number.isSafeInteger(steps) || steps === Infinity)))
    throw new RangeError(
      `Trainer.run: ${name} must be an integer of at least 1, or Infinity, received ${describe(steps)}`,
    )
}
