/** The convolutions of ResNets (He et al. 2016) as torchvision has them; batch norms are folded into them. */
import type { ImageSize } from '../../image/image.js'
import { Conv2d } from '../../nn/conv2d.js'
import { type ConvolutionWork, totalWork } from '../../nn/convolution_work.js'
import type { ParameterList } from '../../nn/parameters.js'
import { cast } from '../../ops/cast.js'
import { concat } from '../../ops/concat.js'
import { leakyRelu } from '../../ops/leaky_relu.js'
import { maxPool } from '../../ops/max_pool.js'
import { mean } from '../../ops/reduce.js'
import { reshape } from '../../ops/reshape.js'
import { split } from '../../ops/split.js'
import { scope } from '../../tensor/scope.js'
import { type Tensor, zeros } from '../../tensor/tensor.js'

/** A convolution with the batch norm that follows it. */
export interface NormedConvolution {
  /** Of the weight's tensor, without `.weight`; the parameters have it too. */
  readonly name: string
  /** Of the norm's tensors. */
  readonly norm: string
  readonly inputs: number
  readonly outputs: number
  /** Side of its window. */
  readonly size: number
  readonly stride: number
}

/** A residual block: of two convolutions of 3 x 3, or of three, of which the second is 3 x 3. */
export interface ResnetBlock {
  readonly convolutions: readonly NormedConvolution[]
  /** Where the block changes its input's shape. */
  readonly shortcut: NormedConvolution | undefined
}

/** All convolutions of a ResNet. */
export interface ResnetLayers {
  readonly stem: NormedConvolution
  readonly blocks: readonly ResnetBlock[]
}

/** The features of images before the last linear layer: the means over all positions. */
export class ResnetNetwork {
  readonly #stem: Conv2d
  readonly #blocks: readonly { convolutions: readonly Conv2d[]; shortcut: Conv2d | undefined }[]

  /** Adds the parameters to `list`. */
  constructor(list: ParameterList, { stem, blocks }: ResnetLayers) {
    const convolution = ({ name, inputs, outputs, size, stride }: NormedConvolution) =>
      new Conv2d(list.under(name), inputs, outputs, { size, stride })
    this.#stem = convolution(stem)
    this.#blocks = blocks.map(({ convolutions, shortcut }) => ({
      convolutions: convolutions.map(convolution),
      shortcut: shortcut && convolution(shortcut),
    }))
  }

  /** Of the convolutions of one image. */
  workOn(image: ImageSize): ConvolutionWork {
    const works = [this.#stem.workOn(image)]
    let { height, width }: ImageSize = works[0]!
    let size = { height: Math.ceil(height / 2), width: Math.ceil(width / 2) }
    for (const { convolutions, shortcut } of this.#blocks) {
      if (shortcut) works.push(shortcut.workOn(size))
      for (const layer of convolutions) works.push((size = layer.workOn(size)))
    }
    return totalWork(works)
  }

  /** x [N, H, W, 3] -> features f32 [N, C]. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      const stem = largestOfNine(relu(this.#stem.forward(x)))
      const last = this.#blocks.reduce(
        (x, { convolutions, shortcut }) =>
          scope(() => {
            const inner = convolutions.slice(0, -1).reduce((h, layer) => relu(layer.forward(h)), x)
            return relu(convolutions.at(-1)!.forward(inner, { residual: shortcut?.forward(x) ?? x }))
          }),
        stem,
      )
      return mean(cast(last, 'f32'), [1, 2])
    })
  }
}

const relu = (x: Tensor): Tensor => leakyRelu(x, 0)

/**
 * The largest of 3 x 3 positions at each second one, as `MaxPool2d(3, stride=2, padding=1)` of PyTorch: x [N, H, W, C], of
 * nothing below 0, so that the padding may be 0 -> [N, ceil(H / 2), ceil(W / 2), C].
 */
export const largestOfNine = (x: Tensor): Tensor => scope(() => maxPool(windows(windows(x, 1), 2), 3))

/** Rows or columns -1, 0, 1; 1, 2, 3; 3, 4, 5 and so on of x, one window after the other; 0 where there is none. */
function windows(x: Tensor, axis: 1 | 2): Tensor {
  const half = Math.ceil(x.size(axis) / 2)
  const zero = zeros(x.shape.with(axis, 1), x.dtype === 'bf16' ? 'bf16' : 'f32', x.device)
  const padded = concat([zero, x, ...(x.size(axis) % 2 === 1 ? [zero] : [])], axis)
  const around = [...x.shape.slice(0, axis), half, 2, ...x.shape.slice(axis + 1)]
  const [withoutLast] = split(padded, [2 * half, 1], axis)
  const [, withoutFirst] = split(padded, [1, 2 * half], axis)
  const [, third] = split(reshape(withoutFirst!, around), [1, 1], axis + 1)
  return reshape(concat([reshape(withoutLast!, around), third!], axis + 1), x.shape.with(axis, 3 * half))
}
