import type { Image } from '../../../image/image.js'
import type { LatentScale } from '../../../image/latent_scale.js'
import {
  addLatent,
  type LatentStatistics,
  measuredDeviation,
  measuredScale,
  noStatistics,
} from '../../../image/latent_statistics.js'
import { type AutoencoderConfig, latentChannelsOf } from '../config.js'
import { encodeImagesBy } from '../encode_images.js'
import type { LoadedAutoencoder } from '../io/folder.js'

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
  autoencoder: LoadedAutoencoder,
  images: AsyncIterable<Image>,
): Promise<LatentScale> {
  const { config } = autoencoder.network
  let statistics = noStatistics(latentChannelsOf(config), config.imageChannels)
  let waiting: Image[] = []
  for await (const image of images) {
    waiting.push(image)
    if (waiting.length < atOnce) continue
    statistics = await withLatents(statistics, autoencoder, waiting)
    waiting = []
  }
  statistics = await withLatents(statistics, autoencoder, waiting)
  if (statistics.positions === 0) return unscaled(config)
  if (config.codebook) return { ...unscaled(config), factor: 1 / measuredDeviation(statistics) }
  return measuredScale(statistics)
}

/** Statistics with those of the latents of further images. */
async function withLatents(
  statistics: LatentStatistics,
  autoencoder: LoadedAutoencoder,
  images: readonly Image[],
): Promise<LatentStatistics> {
  const latents = await encodeImagesBy(autoencoder, images, (network, x) => network.encode(x))
  return latents.reduce((sum, latent, i) => addLatent(sum, latent, images[i]!), statistics)
}
