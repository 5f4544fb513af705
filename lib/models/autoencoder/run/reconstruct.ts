import type { Image } from '../../../image/image.js'
import { imageFromFloats } from '../../../image/pixels.js'
import type { AutoencoderNetwork } from '../network.js'
import { type NetworkBody, pixelsOf, runNetwork } from '../run_network.js'

/** Images through encoder and decoder, by the means of their latents or their codes; the sides are multiples of `downscale`. */
export async function reconstruct(network: AutoencoderNetwork, images: readonly Image[]): Promise<Image[]> {
  const fields = await runNetwork(network, images.map(pixelsOf), { factor: 1 }, throughLatents)
  return fields.map(({ values }, i) => imageFromFloats(values, images[i]!))
}

const throughLatents: NetworkBody = (network, x) =>
  network.config.codebook ? network.decodeCodes(network.encodeToCodes(x)) : network.decode(network.encode(x))
