/** Which timestep each image of a training step gets. */
import { z } from 'zod'
import { randomWords, uniformOf } from '../random.js'
import { diffusionSteps, type NoiseSchedule } from './schedule.js'

export const timestepsSchema = z.strictObject({
  /**
   * How t is sampled from 0 .. T: evenly, the paper's, or as T / (1 + exp(-N)) with a normal N (Esser et al. 2024).
   */
  distribution: z
    .discriminatedUnion('type', [
      /** Evenly. */
      z.strictObject({ type: z.literal('uniform') }),
      /** More often in the middle. */
      z.strictObject({
        type: z.literal('logitNormal'),
        /** Of N: above 0 there is more noise. */
        mean: z.number().default(0),
        /** Standard deviation of N. */
        std: z.number().positive().default(1),
      }),
    ])
    .default({ type: 'uniform' }),
  /** Largest t of a limited image: a captioner must see it (section 4.3.4; 500 of 1000). */
  noiseLimit: z
    .int()
    .min(1)
    .max(diffusionSteps)
    .default(diffusionSteps / 2),
  /** Share of limited images that stay clean (t = 0), as images in prompts are; none in the paper. */
  cleanFraction: z.number().min(0).max(1).default(0),
})
export type TimestepOptions = z.infer<typeof timestepsSchema>
/** How t is sampled, as written by a user, defaults left out. @useDeclaredType */
export type TimestepSettings = z.input<typeof timestepsSchema>

/**
 * Samples the timesteps [N] of a training step's images: above 0, and integers where the schedule has no others. `limited`
 * [N] is 1 for images whose range is 0 .. noiseLimit instead of 0 .. T. The result follows from the seed, the training step
 * and the image's number in it alone: `firstImage` is that of this call's first image, counted over micro-batches and ranks.
 */
export function sampleTimesteps(
  options: TimestepOptions,
  schedule: Pick<NoiseSchedule, 'continuous'>,
  limited: Uint8Array,
  seed: number,
  step: number,
  firstImage = 0,
): Float64Array {
  const { noiseLimit, cleanFraction, distribution } = options
  return Float64Array.from(limited, (isLimited, i) => {
    const [w0, w1, w2, w3] = randomWords(seed, 'timestep', step, firstImage + i) as unknown as number[]
    if (isLimited && uniformOf(w2!, w3!) < cleanFraction) return 0
    const share = distribution.type === 'uniform' ? uniformOf(w0!, w1!) : logitNormal(distribution, w0!, w1!)
    const t = share * (isLimited ? noiseLimit : diffusionSteps)
    return schedule.continuous ? Math.max(t, Number.MIN_VALUE) : 1 + Math.floor(t)
  })
}

/** 1 / (1 + exp(-N)), in (0, 1), with a normal N from two words (Box and Muller). */
function logitNormal({ mean, std }: { mean: number; std: number }, w0: number, w1: number): number {
  const radius = Math.sqrt(-2 * Math.log((w0 + 0.5) / 2 ** 32))
  const normal = radius * Math.cos((2 * Math.PI * (w1 + 0.5)) / 2 ** 32)
  // Below 1, which far from the mean it would be rounded to.
  return Math.min(1 / (1 + Math.exp(-(mean + std * normal))), 1 - 2 ** -53)
}
