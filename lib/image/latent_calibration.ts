/** What a model keeps of the latents that it was trained on, measured once: how they are scaled, clipped and previewed. */
import { z } from 'zod'
import { fitPreview, latentPreviewSchema } from './latent_preview.js'
import type { LatentScale } from './latent_scale.js'
import { largestValue, type LatentStatistics, measuredScale } from './latent_statistics.js'

const numbers = z.array(z.number()).min(1).readonly()

export const latentCalibrationSchema = z.strictObject({
  /** Between latents and the values that the model reads; absent where it is the one that the autoencoder's config has. */
  scale: z.strictObject({ mean: numbers, std: numbers, factor: z.number() }).optional(),
  /** The largest absolute value that the model has read: estimates of clean images are clipped to it. */
  range: z.number().positive(),
  /** From values to colours, for previews. */
  preview: latentPreviewSchema,
})

/** How latents are scaled, clipped and previewed. @useDeclaredType */
export type LatentCalibration = z.output<typeof latentCalibrationSchema>

/** By what latents are scaled: by the factors of their autoencoder's config, or so that they have unit variance. */
export type LatentScaling = 'autoencoder' | 'measured'

/** What statistics come to; `own`: the scale of the autoencoder, which is taken unless it is to be measured. */
export function calibrationOf(
  statistics: LatentStatistics,
  own: LatentScale,
  scaling: LatentScaling,
): LatentCalibration {
  if (statistics.positions === 0)
    throw new RangeError('calibrate: statistics must be of an image or more, received none')
  const scale = scaling === 'measured' ? measuredScale(statistics) : own
  return {
    ...(scaling === 'measured' && { scale }),
    range: largestValue(statistics, scale) || 1,
    preview: fitPreview(statistics, scale),
  }
}
