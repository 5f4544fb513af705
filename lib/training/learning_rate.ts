import { z } from 'zod'
import { checkArguments } from '../arguments.js'

/** Warm-up, then cosine; the paper's values (section 4.1) are the defaults. */
export const learningRateSchema = z.strictObject({
  /** After the warm-up. */
  peak: z.number().positive().default(3e-4),
  /** At the end, to which it falls as a cosine. */
  final: z.number().min(0).default(1.5e-5),
  /** Steps of the linear rise from 0. */
  warmupSteps: z.int().min(0).default(4000),
})
/** The schedule of the learning rate, defaults filled in. @useDeclaredType */
export type LearningRateOptions = z.output<typeof learningRateSchema>

/**
 * The learning rate of a step (from 0): linear from 0 to `peak` over the warm-up, then along a cosine to `final` as
 * `progress` goes from 0 to 1. Progress is the share of the steps done, or of the time where a run is limited by time.
 */
export function learningRateAt(options: LearningRateOptions, step: number, progress: number): number {
  checkArguments('learningRateAt', { options: [options, 'object'] })
  const { peak, final, warmupSteps } = options
  const warmup = Math.min(1, (step + 1) / Math.max(1, warmupSteps))
  const cosine = final + (peak - final) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress)))
  return warmup * cosine
}
