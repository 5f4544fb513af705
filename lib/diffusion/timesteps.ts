/** Which t each image of a training step gets. */
import { z } from 'zod'
import { randomWords, uniformOf } from '../random.js'
import { diffusionSteps } from './schedule.js'

export const timestepsSchema = z.strictObject({
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

/**
 * t [N] for images of which `limited` [N] is 1 where the noise is limited: uniform over 1 .. T or 1 .. noiseLimit.
 * A pure function of the seed, the training step and the image's number in it: `firstImage` is that of this
 * call's first image, counted over micro-batches and ranks.
 */
export function drawTimesteps(
  { noiseLimit, cleanFraction }: TimestepOptions,
  limited: Uint8Array,
  seed: number,
  step: number,
  firstImage = 0,
): Int32Array {
  return Int32Array.from(limited, (isLimited, i) => {
    const [w0, w1, w2, w3] = randomWords(seed, 'timestep', step, firstImage + i)
    if (isLimited && uniformOf(w2!, w3!) < cleanFraction) return 0
    return 1 + Math.floor(uniformOf(w0!, w1!) * (isLimited ? noiseLimit : diffusionSteps))
  })
}
