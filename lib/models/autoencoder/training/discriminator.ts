import type { ImageSize } from '../../../image/image.js'
import { type ComputeType, ParameterArena } from '../../../nn/arena.js'
import { Conv2d } from '../../../nn/conv2d.js'
import { type ConvolutionWork, type NetworkCosts, totalWork } from '../../../nn/convolution_work.js'
import { type Parameter, ParameterList } from '../../../nn/parameters.js'
import { type Layer, Sequential } from '../../../nn/sequential.js'
import { groupNorm } from '../../../ops/group_norm.js'
import { leakyRelu } from '../../../ops/leaky_relu.js'
import { reshape } from '../../../ops/reshape.js'
import { currentDevice, type Device } from '../../../tensor/device.js'
import { scope } from '../../../tensor/scope.js'
import type { Tensor } from '../../../tensor/tensor.js'

/** Sizes of a discriminator. */
export interface DiscriminatorSizes {
  /** Of an image. */
  readonly imageChannels: number
  /** After the first convolution; each further one that halves the image doubles them, up to 8 times as many. */
  readonly channels: number
  /** Convolutions that halve the image. */
  readonly layers: number
}

const slope = 0.2
/** As of DCGAN (Radford et al. 2016). */
const initial = { std: 0.02 }

const activation: Layer = { forward: (x) => leakyRelu(x, slope) }

/**
 * Tells images from reconstructions, patch by patch (PatchGAN, Isola et al. 2017, as of Esser et al. 2021): 4 x 4
 * convolutions, of which `layers` halve the image and two do not, batch norm in all but the first and the last, leaky ReLU
 * of 0.2 between. A patch of 3 layers is 70 x 70 pixels. Convolutions begin normal with std 0.02, norms as the identity.
 */
export class PatchDiscriminator {
  /** The weights; `initialize` is to be called. */
  readonly arena: ParameterArena
  /** Sizes. */
  readonly sizes: DiscriminatorSizes
  readonly #layers: Sequential
  readonly #convolutions: readonly Conv2d[]

  constructor(sizes: DiscriminatorSizes, compute: ComputeType = 'f32', device: Device = currentDevice()) {
    const list = new ParameterList()
    const layers = layersOf(list, sizes)
    this.sizes = sizes
    this.#layers = new Sequential(layers)
    this.#convolutions = convolutionsIn(layers)
    this.arena = new ParameterArena(list.parameters, compute, device)
  }

  /**
   * x [N, H, W, C] of -1..1 -> logits [N, h, w, 1], larger where a patch looks like one of an image.
   * @throws Error where the images are smaller than `smallestImage`
   */
  forward(x: Tensor): Tensor {
    const [, height, width] = x.shape as [number, number, number, number]
    const problem = sizeProblem({ width, height }, this.sizes.layers)
    if (problem) throw new Error(`discriminator: ${problem}`)
    return this.#layers.forward(x)
  }

  /** Of the convolutions of one image. */
  workOn(image: ImageSize): ConvolutionWork {
    return workOf(this.#convolutions, image)
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.arena[Symbol.dispose]()
  }
}

/** The layers; their parameters are added to `list`. */
function layersOf(list: ParameterList, { imageChannels, channels, layers }: DiscriminatorSizes): Layer[] {
  const widths = Array.from({ length: layers + 1 }, (_, level) => channels * Math.min(2 ** level, 8))
  const window = { size: 4, padding: 1, initial }
  return [
    ...widths.flatMap((width, level): Layer[] => {
      const under = list.under(`layers.${level}`)
      const stride = level < layers ? 2 : 1
      // A norm would take a bias away again.
      const options = { ...window, stride, bias: level === 0 }
      const convolution = new Conv2d(under.under('conv'), widths[level - 1] ?? imageChannels, width, options)
      return [convolution, ...(level === 0 ? [] : [new BatchNorm(under.under('norm'), width)]), activation]
    }),
    new Conv2d(list.under('output'), widths.at(-1)!, 1, window),
  ]
}

const convolutionsIn = (layers: readonly Layer[]) => layers.filter((layer) => layer instanceof Conv2d)

function workOf(convolutions: readonly Conv2d[], image: ImageSize): ConvolutionWork {
  let size = image
  return totalWork(
    convolutions.map((layer) => {
      const work = layer.workOn(size)
      size = work
      return work
    }),
  )
}

/** What a discriminator of these sizes costs; allocates nothing. */
export function describeDiscriminator(sizes: DiscriminatorSizes): NetworkCosts {
  const list = new ParameterList()
  const convolutions = convolutionsIn(layersOf(list, sizes))
  return { parameters: list.parameterCount, workOn: (image) => workOf(convolutions, image) }
}

/** The side of the smallest images that a discriminator of so many layers has a logit for. */
export const smallestImage = (layers: number): number => 3 * 2 ** layers

/** Why a discriminator of so many layers cannot judge images of a size; undefined: it can. */
export function sizeProblem({ width, height }: ImageSize, layers: number): string | undefined {
  const smallest = smallestImage(layers)
  if (Math.min(width, height) >= smallest) return undefined
  return `images of ${width} x ${height} pixels are too small for ${layers} layers, which need ${smallest} x ${smallest}`
}

/**
 * Batch norm by the statistics of the batch at hand, as in training: the group norm of all positions of all images together,
 * with a group for each channel. Nothing uses a discriminator but training, so that no running means are kept.
 */
class BatchNorm implements Layer {
  readonly #weight: Parameter
  readonly #bias: Parameter
  readonly #channels: number

  constructor(list: ParameterList, channels: number) {
    this.#weight = list.add('weight', [channels], { value: 1 })
    this.#bias = list.add('bias', [channels], { value: 0 })
    this.#channels = channels
  }

  /** x [N, H, W, C] -> y like x. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      const together = reshape(x, [1, -1, this.#channels])
      return reshape(groupNorm(together, this.#weight.tensor, this.#bias.tensor, this.#channels), x.shape)
    })
  }
}
