import type { BatchStatistics } from './task.js'

/** What one step reports, once the device has done it. */
export interface StepReport extends BatchStatistics {
  /** Steps done, this one included. */
  step: number
  /** 0..1, of the steps or of the time. */
  progress: number
  /** The terms of the loss by name, over the whole batch; those that it has nothing of are absent. */
  terms: Readonly<Record<string, number>>
  /** Of all gradients of the model together, before they are clipped. */
  gradientNorm: number
  /** The like of each of the task's companions that the step trains, by its name; absent where it trains none. */
  companionNorms?: Readonly<Record<string, number>>
  /** False when a gradient was not finite and the weights, those of companions too, were left as they were. */
  applied: boolean
  /** Whether the norm stands out from those before. */
  gradientSpike: boolean
  /** Of this step. */
  learningRate: number
  /** The like of each of `groups`; absent where there are none. */
  groupLearningRates?: readonly number[]
  /** Steps so far that were not applied. */
  skippedSteps: number
  /** Seconds of training so far. */
  seconds: number
}
