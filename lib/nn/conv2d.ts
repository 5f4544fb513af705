import { checkArguments } from '../arguments.js'
import { conv2d, type Conv2dWindow } from '../ops/conv2d.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Initial, Parameter, ParameterList } from './parameters.js'

/** Convolution of images, channels last: x [N, H, W, I] -> [N, Ho, Wo, O]; as large as x with the default window. */
export class Conv2d {
  /** W [O, K, K, I]. */
  readonly weight: Parameter
  /** b [O]; absent where the caller brings one for each image. */
  readonly bias: Parameter | undefined
  readonly #window: Conv2dWindow

  /** A window of `size` pixels each way. The weight begins normal with std 1 / sqrt(K^2 I) unless `initial` says otherwise. */
  constructor(
    list: ParameterList,
    inputs: number,
    outputs: number,
    options: { size?: number; stride?: number; initial?: Initial; bias?: boolean } = {},
  ) {
    checkArguments('Conv2d', { list: [list, 'parameters'] })
    const { size = 3, stride = 1, bias = true } = options
    const { initial = { std: 1 / Math.sqrt(size ** 2 * inputs) } } = options
    this.weight = list.add('weight', [outputs, size, size, inputs], initial, [outputs])
    this.bias = bias ? list.add('bias', [outputs], { value: 0 }) : undefined
    this.#window = { stride, padding: Math.floor(size / 2) }
  }

  /** `added.perImage` [N, O] stands in for the bias; `added.residual` [N, Ho, Wo, O] is added to the result. */
  forward(x: Tensor, { perImage, residual }: { perImage?: Tensor; residual?: Tensor } = {}): Tensor {
    const options = residual ? { ...this.#window, residual } : this.#window
    return conv2d(x, this.weight.tensor, perImage ?? this.bias?.tensor, options)
  }
}
