import type { ImageSize } from '../../../image/image.js'
import { elementsOf } from '../../../tensor/shape.js'
import type { Parameter } from '../../../nn/parameters.js'
import type { AutoencoderConfig } from '../config.js'
import type { AutoencoderNetwork } from '../network.js'
import type { Judges } from './loss.js'
import type { AutoencoderLossOptions } from './options.js'

/**
 * Floating-point operations of the matrix products, convolutions among them, of one training step on one image: 2 for each
 * weight and position forward, and 2 more for each gradient: of weights, unless they are frozen, and of what is multiplied
 * with them (PaLM, appendix B). A discriminator, once it is there, goes through three times: to tell the decoder, and to
 * learn from the image and from its reconstruction. Of what judges by features both images' are computed, and go back
 * through the one's. Networks of other kinds, a frozen encoder for one, are not counted.
 */
export function autoencoderFlops(
  { config, arena }: Pick<AutoencoderNetwork, 'config' | 'arena'>,
  image: ImageSize,
  step: number,
  { discriminator: options }: AutoencoderLossOptions,
  { discriminator, perceptual, identity }: Judges,
): number {
  const own = 6 * networkProducts(config, arena.parameters, image) + 2 * codeProducts(config, image)
  const judges = [perceptual, identity].map((term) => 6 * (term?.network.workOn?.(image).products ?? 0))
  const adversarial =
    discriminator && options && step >= options.start
      ? 16 * discriminator.workOn(image).products +
        (options.adaptive ? 4 * lastProducts(arena.parameters, image) : 0)
      : 0
  return [own, ...judges, adversarial].reduce((sum, flops) => sum + flops)
}

const positionsOf = ({ height, width }: ImageSize, halvings: number) => (height * width) / 4 ** halvings

/** Multiplications of encoder and decoder forward, as far as they have parameters. */
function networkProducts(
  config: AutoencoderConfig,
  parameters: readonly Parameter[],
  image: ImageSize,
): number {
  const last = config.channels.length - 1
  const lowest = positionsOf(image, last)
  const products = parameters
    .filter(({ name, shape }) => shape.length > 1 && !name.startsWith('quantize.'))
    .map(({ name, shape }) => elementsOf(shape) * positionsOf(image, halvingsOf(name, last)))
  // Scores and weighted sums of all pairs of positions.
  const attentions = parameters.filter(({ name }) => name.endsWith('.to_q.weight'))
  const pairs = attentions.map(({ shape }) => 2 * shape[0]! * lowest ** 2)
  return [...products, ...pairs].reduce((sum, count) => sum + count, 0)
}

/** How often the positions that a weight is multiplied with are halved, for `last` between the images and the latents. */
function halvingsOf(name: string, last: number): number {
  const [part, block, index, kind] = name.split('.') as [string, string, string, string]
  const isEncoder = part === 'encoder'
  if (block === 'down_blocks') return Number(index) + (kind === 'downsamplers' ? 1 : 0)
  if (block === 'up_blocks') return last - Number(index) - (kind === 'upsamplers' ? 1 : 0)
  return (isEncoder && block === 'conv_in') || (part === 'decoder' && block === 'conv_out') ? 0 : last
}

/** Multiplications of the distances from the codes of a VQ-VAE, which have no gradient. */
const codeProducts = ({ codebook, latentChannels, channels }: AutoencoderConfig, image: ImageSize) =>
  codebook
    ? positionsOf(image, channels.length - 1) * codebook.codes * (codebook.channels ?? latentChannels)
    : 0

/** Multiplications of the decoder's last convolution. */
const lastProducts = (parameters: readonly Parameter[], image: ImageSize) =>
  positionsOf(image, 0) * elementsOf(parameters.find(({ name }) => name === 'decoder.conv_out.weight')!.shape)
