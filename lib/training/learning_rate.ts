import { z } from 'zod'
import { checkArguments } from '../arguments.js'

/** Warm-up, then cosine; the paper's values (section 4.1) are the defaults. */
export const learningRateSchema = z.strictObject({
  /** After the warm-up. */
  peak: z.number().positive().default(3e-4),
  /** At the end, to which it falls as a cosine. */
  final: z.number().min(0).default(1.5e-5),
  /** Steps of the linear rise from 0; by default the paper's 4000, but at most a tenth of the run (our choice). */
  warmupSteps: z.int().min(0).optional(),
})
/** The schedule of the learning rate, defaults filled in. @useDeclaredType */
export type LearningRateOptions = z.output<typeof learningRateSchema>

/** The paper has 4000 of 250,000 steps; a short run would be over before it has reached the peak. */
const usualWarmup = { steps: 4000, share: 0.1 }

/**
 * The learning rate of a step (from 0): linear from 0 to `peak` over the warm-up, then along a cosine to `final` as
 * `progress` goes from 0 to 1. Progress is the share of the steps done, or of the time where a run is limited by time.
 */
export function learningRateAt(options: LearningRateOptions, step: number, progress: number): number {
  checkArguments('learningRateAt', { options: [options, 'object'] })
  const { peak, final, warmupSteps } = options
  const warmup =
    warmupSteps === undefined
      ? Math.max((step + 1) / usualWarmup.steps, progress / usualWarmup.share)
      : (step + 1) / Math.max(1, warmupSteps)
  const cosine = final + (peak - final) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress)))
  return Math.min(1, warmup) * cosine
}

/** What a schedule has that can hardly be meant, a sentence each. `steps`: those of the run, where it is limited by them. */
export function learningRateWarnings(
  { peak, final, warmupSteps }: LearningRateOptions,
  steps?: number,
): string[] {
  return [
    ...(warmupSteps !== undefined && steps !== undefined && warmupSteps >= steps
      ? [
          `learningRate.warmupSteps: ${warmupSteps} of ${steps} steps, so that the learning rate does not come to its ` +
            'peak before the end; expected fewer, or nothing for a tenth of the run',
        ]
      : []),
    ...(final > peak
      ? [
          `learningRate.final: ${final} is above the peak, ${peak}, so that the learning rate rises to the end; expected ` +
            'at most the peak',
        ]
      : []),
  ]
}
