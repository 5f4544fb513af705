import type { Image } from '../../../image/image.js'
import type { LatentScale } from '../../../image/latent_scale.js'
import { type AutoencoderConfig, latentChannelsOf } from '../config.js'
import type { AutoencoderNetwork } from '../network.js'
import { forEachLatents } from './reconstruct.js'

/** Images whose latents are measured together. */
const atOnce = 64

/** The scale of latents that are read as they are. */
export function unscaled(config: Pick<AutoencoderConfig, 'codebook' | 'latentChannels'>): LatentScale {
  const each = (value: number) => Array<number>(latentChannelsOf(config)).fill(value)
  return { mean: each(0), std: each(1), factor: 1 }
}

/**
 * The scale by which the latents of images have a mean of 0 and a variance of 1, by channel: diffusers' `latents_mean` and
 * `latents_std`. Of a VQ-VAE, whose `config.json` has no place for them, one factor for all channels. Without images, and of a
 * channel that is the same everywhere, latents stay as they are.
 */
export async function measureScale(
  network: AutoencoderNetwork,
  images: AsyncIterable<Image>,
): Promise<LatentScale> {
  const same = unscaled(network.config)
  const channels = same.mean.length
  const sums = new Float64Array(channels)
  const squares = new Float64Array(channels)
  let positions = 0
  const add = (latents: Float32Array) => {
    positions += latents.length / channels
    latents.forEach((value, i) => {
      sums[i % channels]! += value
      squares[i % channels]! += value ** 2
    })
  }
  let waiting: Image[] = []
  for await (const image of images) {
    waiting.push(image)
    if (waiting.length < atOnce) continue
    await forEachLatents(network, waiting, add)
    waiting = []
  }
  await forEachLatents(network, waiting, add)
  if (positions === 0) return same
  const mean = Array.from(sums, (sum) => sum / positions)
  const variances = Array.from(squares, (sum, i) => sum / positions - mean[i]! ** 2)
  const deviation = (variance: number) => (variance > 0 ? Math.sqrt(variance) : 1)
  if (network.config.codebook) {
    const variance = variances.reduce((sum, value) => sum + value, 0) / channels
    return { ...same, factor: 1 / deviation(variance) }
  }
  return { mean, std: variances.map(deviation), factor: 1 }
}
