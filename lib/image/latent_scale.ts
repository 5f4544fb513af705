import { checkArguments } from '../arguments.js'

/**
 * Between the latents of an autoencoder and the values that a diffusion model reads, which are to have a variance of about
 * one: value = (latent - mean) * factor / std, by channel, as diffusers' pipelines compute it.
 */
export interface LatentScale {
  /** [C]; of diffusers' `shift_factor` or `latents_mean`. */
  readonly mean: readonly number[]
  /** [C], above 0. */
  readonly std: readonly number[]
  /** Not 0. */
  readonly factor: number
}

/** Whether latents and values are the same. */
export const isUnscaled = ({ mean, std, factor }: LatentScale): boolean =>
  factor === 1 && mean.every((value) => value === 0) && std.every((value) => value === 1)

/** Values of latents [..., C]. */
export function scaleLatents(latents: Float32Array, scale: LatentScale): Float32Array {
  checkArguments('scaleLatents', { latents: [latents, 'values'], scale: [scale, 'latentScale'] })
  const { mean, std, factor } = scale
  const channels = mean.length
  return latents.map((latent, i) => ((latent - mean[i % channels]!) * factor) / std[i % channels]!)
}

/** Latents [..., C] of values. */
export function unscaleLatents(values: Float32Array, scale: LatentScale): Float32Array {
  checkArguments('unscaleLatents', { values: [values, 'values'], scale: [scale, 'latentScale'] })
  const { mean, std, factor } = scale
  const channels = mean.length
  return values.map((value, i) => (value * std[i % channels]!) / factor + mean[i % channels]!)
}
