import { checkArguments } from '../arguments.js'
import { conv2d, conv2dWeightGradient, type Conv2dWindow } from '../ops/conv2d.js'
import type { Tensor } from '../tensor/tensor.js'
import { elementsOf } from '../tensor/shape.js'
import type { ImageSize } from '../image/image.js'
import type { ConvolutionWork } from './convolution_work.js'
import type { Initial, Parameter, ParameterList } from './parameters.js'

/**
 * A convolution of images, channels last: x [N, H, W, I] -> [N, Ho, Wo, O]; see {@link conv2d}. The padding is by default
 * half the window, so that with a stride of 1 and an odd window images keep their size.
 */
export class Conv2d {
  /** W [O, K, K, I]. */
  readonly weight: Parameter
  /** b [O], zeros at first; absent where the caller gives a bias for each image. */
  readonly bias: Parameter | undefined
  readonly #window: Required<Pick<Conv2dWindow, 'stride' | 'padding'>>

  /**
   * Adds the convolution's parameters to `list`: I = `inputs`, O = `outputs`, K = `size` (3 by default). The weight begins
   * normal with std 1 / sqrt(K^2 I) unless `initial` says otherwise (our choice).
   */
  constructor(
    list: ParameterList,
    inputs: number,
    outputs: number,
    options: {
      size?: number
      stride?: number
      padding?: Conv2dWindow['padding']
      initial?: Initial
      bias?: boolean
    } = {},
  ) {
    checkArguments('Conv2d', { list: [list, 'parameters'] })
    const { size = 3, stride = 1, padding = Math.floor(size / 2), bias = true } = options
    const { initial = { std: 1 / Math.sqrt(size ** 2 * inputs) } } = options
    this.weight = list.add('weight', [outputs, size, size, inputs], initial, [outputs])
    this.bias = bias ? list.add('bias', [outputs], { value: 0 }) : undefined
    this.#window = { stride, padding }
  }

  /**
   * x [N, H, W, I] of the parameters' dtype -> y [N, Ho, Wo, O]. `perImage` [N, O] takes the bias's place; `residual`
   * [N, Ho, Wo, O] is added to the result.
   * @throws ArgumentError where shapes or dtypes do not fit
   */
  forward(x: Tensor, { perImage, residual }: { perImage?: Tensor; residual?: Tensor } = {}): Tensor {
    const options = residual ? { ...this.#window, residual } : this.#window
    return conv2d(x, this.weight.tensor, perImage ?? this.bias?.tensor, options)
  }

  /** What the convolution makes of one image, and the size of that. */
  workOn({ height, width }: ImageSize): ConvolutionWork & ImageSize {
    const { stride, padding } = this.#window
    const [before, after] = typeof padding === 'number' ? [padding, padding] : padding
    const places = (size: number, window: number) => Math.floor((size + before + after - window) / stride) + 1
    const [outputs, ...kernel] = this.weight.shape as [number, number, number, number]
    const made = { height: places(height, kernel[0]), width: places(width, kernel[1]) }
    const values = made.height * made.width * outputs
    return { ...made, values, products: values * elementsOf(kernel) }
  }

  /**
   * The gradient of the weight, f32 [O, K, K, I], that `forward(x)` would have for the gradient `dy` of its result; on no tape,
   * and added to nothing.
   * @throws ArgumentError where shapes or dtypes do not fit
   */
  weightGradient(dy: Tensor, x: Tensor): Tensor {
    return conv2dWeightGradient(dy, x, this.weight.tensor, this.#window)
  }
}
