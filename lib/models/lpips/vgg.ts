/** The convolutions of VGG16 (Simonyan and Zisserman 2015), as the five slices whose results LPIPS compares. */
import type { ImageSize } from '../../image/image.js'
import { Conv2d } from '../../nn/conv2d.js'
import { type ConvolutionWork, totalWork } from '../../nn/convolution_work.js'
import type { ParameterList } from '../../nn/parameters.js'
import { leakyRelu } from '../../ops/leaky_relu.js'
import { maxPool } from '../../ops/max_pool.js'
import { scope } from '../../tensor/scope.js'
import type { Tensor } from '../../tensor/tensor.js'

/** The convolutions of each slice, by their places among the layers of torchvision's `vgg16().features`. */
const slices = [
  [0, 2],
  [5, 7],
  [10, 12, 14],
  [17, 19, 21],
  [24, 26, 28],
] as const

/** What each convolution of 3 x 3 is called in LPIPS's files; by slice. */
export const convolutionNames: readonly (readonly string[])[] = slices.map((layers, slice) =>
  layers.map((layer) => `net.slice${slice + 1}.${layer}`),
)

/** Width and height of the smallest images: each slice but the first halves them. */
export const leastSide = 2 ** (slices.length - 1)

/** VGG16 up to relu5_3. */
export class Vgg16Features {
  readonly #slices: readonly (readonly Conv2d[])[]

  /** Adds the parameters to `list`. `widths`: the outputs of each convolution, by slice; images have 3 channels. */
  constructor(list: ParameterList, widths: readonly (readonly number[])[]) {
    let inputs = 3
    this.#slices = convolutionNames.map((names, slice) =>
      names.map((name, i) => {
        const convolution = new Conv2d(list.under(name), inputs, widths[slice]![i]!)
        inputs = widths[slice]![i]!
        return convolution
      }),
    )
  }

  /** Of the convolutions of one image. */
  workOn({ height, width }: ImageSize): ConvolutionWork {
    return totalWork(
      this.#slices.flatMap((convolutions, slice) => {
        const halved = (side: number) => Math.floor(side / 2 ** slice)
        return convolutions.map((layer) => layer.workOn({ height: halved(height), width: halved(width) }))
      }),
    )
  }

  /** x [N, H, W, 3] -> the features of each slice, [N, floor(H / 2^i), floor(W / 2^i), C_i]. */
  forward(x: Tensor): Tensor[] {
    let h = x
    return this.#slices.map((convolutions, slice) => (h = sliceOf(convolutions, h, slice > 0)))
  }
}

function sliceOf(convolutions: readonly Conv2d[], x: Tensor, pooled: boolean): Tensor {
  return scope(() =>
    convolutions.reduce(
      // The scope frees what ReLU was given, and where nothing is differentiated what the convolution was.
      (h, convolution) => scope(() => leakyRelu(convolution.forward(h), 0)),
      pooled ? maxPool(x) : x,
    ),
  )
}
