import type { TrainingOptions } from './options.js'
import type { StepReport } from './step_report.js'

/** Training ends after so many skipped steps in a row: the weights will not recover (our choice). */
const hopelessSteps = 100

/** Counts the steps whose gradient was not finite, and says when to stop. */
export class SkippedSteps {
  #inARow = 0

  constructor(
    readonly policy: TrainingOptions['onNonFinite'],
    /** Steps skipped so far. */
    public count = 0,
  ) {}

  /** Counts a step. Where training is to end there, returns what makes its error. */
  add(applied: boolean): ((step: SkippedStep) => Error) | undefined {
    if (applied) {
      this.#inARow = 0
      return undefined
    }
    this.count++
    const before = this.#inARow++
    const stops = this.policy === 'stop'
    if (!stops && this.#inARow < hopelessSteps) return undefined
    return ({ step, gradientNorm, companionNorms = {}, terms }) => {
      const norms = Object.entries(companionNorms).map(([name, norm]) => [`${name}'s norm`, norm] as const)
      const values = listed([['norm', gradientNorm], ...norms, ...Object.entries(terms)])
      return new Error(
        `step ${step}: the gradient is not finite (${values})` +
          `${stops ? '' : `, nor was it in the ${before} steps before`}; ` +
          'the weights are as they were before. A lower learning rate may help' +
          `${stops ? '; with onNonFinite "skip" such steps are left out and counted' : ''}`,
      )
    }
  }
}

type SkippedStep = Pick<StepReport, 'step' | 'gradientNorm' | 'companionNorms' | 'terms'>

const listed = (values: readonly (readonly [name: string, value: number])[]): string =>
  values.map(([name, value]) => `${name} ${value}`).join(', ')
