import type { TrainingOptions } from './options.js'
import type { StepReport } from './step_report.js'

/** Steps that are skipped in a row before training ends all the same: the weights are past mending (our choice). */
const hopelessSteps = 100

/** Counts the steps whose gradient was not finite, and says when to stop. */
export class SkippedSteps {
  #inARow = 0

  constructor(
    readonly policy: TrainingOptions['onNonFinite'],
    /** So far. */
    public count = 0,
  ) {}

  /** Throws an Error where the policy, or their number, ends training at this step. */
  add({
    step,
    applied,
    gradientNorm,
    lm,
    diffusion,
  }: Pick<StepReport, 'step' | 'applied' | 'gradientNorm' | 'lm' | 'diffusion'>): void {
    if (applied) {
      this.#inARow = 0
      return
    }
    this.count++
    this.#inARow++
    const stops = this.policy === 'stop'
    if (!stops && this.#inARow < hopelessSteps) return
    throw new Error(
      `step ${step}: the gradient is not finite (norm ${gradientNorm}, LM loss ${lm}, diffusion loss ${diffusion})` +
        `${stops ? '' : `, nor was it in the ${this.#inARow - 1} steps before`}; ` +
        'the weights are as they were before. A lower learning rate may help' +
        `${stops ? '; with onNonFinite "skip" such steps are left out and counted' : ''}`,
    )
  }
}
