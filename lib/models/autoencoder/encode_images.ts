/** Images to latents, by an autoencoder's own network or its frozen encoder. */
import type { Image } from '../../image/image.js'
import { downscaleOf } from './config.js'
import { encodeFrozen } from './frozen/encoder.js'
import type { LoadedAutoencoder } from './io/folder.js'
import { type NetworkBody, type NetworkRun, pixelsOf, runNetwork } from './run_network.js'
import type { Field } from './tiles.js'

/** By the network: what it makes of images; by a frozen encoder its features, never in tiles. */
export function encodeImagesBy(
  { network, encoder }: LoadedAutoencoder,
  images: readonly Image[],
  body: NetworkBody,
  run: Pick<NetworkRun, 'tile'> = {},
): Promise<Field[]> {
  const fields = images.map(pixelsOf)
  if (encoder) return encodeFrozen(encoder, network.config, fields)
  return runNetwork(network, fields, { factor: 1 / downscaleOf(network.config), ...run }, body)
}
