import type { Image } from '../../image/image.js'
import { ParameterArena } from '../../nn/arena.js'
import { Linear } from '../../nn/linear.js'
import { RmsNorm } from '../../nn/norm.js'
import { ParameterList } from '../../nn/parameters.js'
import { gatherRows } from '../../ops/gather_rows.js'
import { patchify } from '../../ops/patchify.js'
import { reshape } from '../../ops/reshape.js'
import { silu } from '../../ops/silu.js'
import { keep } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import { type WindowGrid, windowRows, windowsPerSide } from '../text/windows.js'

/** Width of the last hidden layer. */
export const featureWidth = 128
/** Images that go through the network together, always as many. */
export const classifierBatch = 64
/** Side of a cell in pixels: the first layer reads windows of cells, which take fewer rows than windows of pixels. */
export const cellSide = 2
const normEps = 1e-5

/** What a classifier reads and tells apart. */
export interface ClassifierSizes {
  /** Width and height of the images, pixels; even. */
  readonly side: number
  /** Values of a pixel. */
  readonly channels: Image['channels']
  /** Number of classes. */
  readonly classes: number
}

/** Two convolutions over cells of pixels, the second of stride 2, a hidden layer and an output layer. */
export class ClassifierNetwork {
  /** Its weights. */
  readonly arena: ParameterArena
  readonly #channels: number
  readonly #layers: { grid: WindowGrid; linear: Linear; norm: RmsNorm }[]
  readonly #hidden: Linear
  readonly #output: Linear
  /** `[64, 2]` i32: height and width of each image of a batch. */
  readonly #sizes: Tensor
  /** For each layer, the rows of a batch's windows. */
  readonly #rows: Tensor[]

  /** The initial weights follow from `seed`. */
  constructor({ side, channels, classes }: ClassifierSizes, seed: number) {
    const list = new ParameterList()
    const options = { bias: true }
    const layer = (name: string, grid: WindowGrid, inputs: number, outputs: number) => ({
      grid,
      linear: new Linear(list.under(name), grid.window ** 2 * inputs, outputs, options),
      norm: new RmsNorm(list.under(`${name}_norm`), outputs, normEps),
    })
    const first: WindowGrid = { side: side / cellSide, window: 3, stride: 1 }
    const second: WindowGrid = { side: windowsPerSide(first), window: 3, stride: 2 }
    this.#channels = channels
    this.#layers = [layer('first', first, cellSide ** 2 * channels, 32), layer('second', second, 32, 64)]
    this.#hidden = new Linear(list.under('hidden'), windowsPerSide(second) ** 2 * 64, featureWidth, options)
    this.#output = new Linear(list.under('output'), featureWidth, classes, options)
    this.arena = new ParameterArena(list.parameters)
    this.arena.initialize(seed)
    this.#sizes = keep(fromArray(new Int32Array(2 * classifierBatch).fill(side), [classifierBatch, 2]))
    this.#rows = this.#layers.map(({ grid }) => keep(fromArray(windowRows(classifierBatch, grid))))
  }

  /** Pixels -1..1 of 64 images in a row -> features `[64, 128]`, logits `[64, classes]`. */
  forward(pixels: Float32Array): { features: Tensor; logits: Tensor } {
    const channels = this.#channels
    let x = patchify(fromArray(pixels, [pixels.length / channels, channels]), this.#sizes, cellSide)
    this.#layers.forEach(({ grid, linear, norm }, layer) => {
      const windows = reshape(gatherRows(x, this.#rows[layer]!), [-1, grid.window ** 2 * x.size(1)])
      x = silu(norm.forward(linear.forward(windows)))
    })
    const features = silu(this.#hidden.forward(reshape(x, [classifierBatch, -1])))
    return { features, logits: this.#output.forward(features) }
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.arena[Symbol.dispose]()
    this.#sizes.free()
    for (const rows of this.#rows) rows.free()
  }
}
