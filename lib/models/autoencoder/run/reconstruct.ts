import type { Image } from '../../../image/image.js'
import { imageFromFloats } from '../../../image/pixels.js'
import { downscaleOf } from '../config.js'
import { encodeFrozen } from '../frozen/encoder.js'
import type { LoadedAutoencoder } from '../io/folder.js'
import { type NetworkBody, pixelsOf, runNetwork } from '../run_network.js'

/** Images through encoder and decoder, by the means of their latents or their codes; the sides are multiples of `downscale`. */
export async function reconstruct(
  { network, encoder }: Pick<LoadedAutoencoder, 'network' | 'encoder'>,
  images: readonly Image[],
): Promise<Image[]> {
  const pixels = images.map(pixelsOf)
  const { config } = network
  const fields = encoder
    ? await runNetwork(
        network,
        await encodeFrozen(encoder, config, pixels),
        { factor: downscaleOf(config) },
        (network, z) => network.decode(z),
      )
    : await runNetwork(network, pixels, { factor: 1 }, throughLatents)
  return fields.map(({ values }, i) => imageFromFloats(values, images[i]!))
}

const throughLatents: NetworkBody = (network, x) =>
  network.config.codebook ? network.decodeCodes(network.encodeToCodes(x)) : network.decode(network.encode(x))
