import { backward, noGrad } from '../autograd/tape.js'
import { bytesToFloats } from '../data/pixels.js'
import { ParameterArena } from '../nn/arena.js'
import { Linear } from '../nn/linear.js'
import { ParameterList } from '../nn/parameters.js'
import { crossEntropy } from '../ops/cross_entropy.js'
import { gatherRows } from '../ops/gather_rows.js'
import { mean } from '../ops/reduce.js'
import { reshape } from '../ops/reshape.js'
import { silu } from '../ops/silu.js'
import { randomUniform } from '../random.js'
import { sampleIndex } from '../data/sample_order.js'
import { RunAhead } from '../tensor/run_ahead.js'
import { keep, scope } from '../tensor/scope.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'
import { AdamW } from '../training/adamw.js'
import { learningRateAt } from '../training/learning_rate.js'
import type { Judged } from './figures.js'
import { type WindowGrid, windowRows, windowsPerSide } from './windows.js'

const featureWidth = 128
const batchSize = 100

export interface JudgeTraining {
  /** Square grayscale images in a row [N, side * side], bytes, and their classes [N]. */
  images: Uint8Array
  labels: ArrayLike<number>
  side: number
  classes: number
  seed: number
  epochs: number
  signal?: AbortSignal
  onProgress?: (share: number) => void
}

/**
 * A small convolutional classifier that judges drawn images, and whose last hidden layer gives the features that
 * distances between sets of images are measured in. Trained by the library itself on real images.
 */
export class Judge {
  readonly #arena: ParameterArena
  readonly #layers: { grid: WindowGrid; linear: Linear }[]
  readonly #hidden: Linear
  readonly #output: Linear
  /** The windows' rows for a batch, by layer. */
  readonly #rows: Tensor[]

  private constructor(
    readonly side: number,
    readonly classes: number,
    seed: number,
  ) {
    const list = new ParameterList()
    const options = { bias: true }
    const first: WindowGrid = { side, window: 5, stride: 2 }
    const second: WindowGrid = { side: windowsPerSide(first), window: 3, stride: 2 }
    this.#layers = [
      { grid: first, linear: new Linear(list.under('first'), 25, 32, options) },
      { grid: second, linear: new Linear(list.under('second'), 9 * 32, 64, options) },
    ]
    this.#hidden = new Linear(list.under('hidden'), windowsPerSide(second) ** 2 * 64, featureWidth, options)
    this.#output = new Linear(list.under('output'), featureWidth, classes, options)
    this.#arena = new ParameterArena(list.parameters)
    this.#arena.initialize(seed)
    this.#rows = this.#layers.map(({ grid }) => keep(fromArray(windowRows(batchSize, grid))))
  }

  /** Trains a judge; the same for the same images and seed. Rejects with the signal's reason when it aborts. */
  static async train(training: JudgeTraining): Promise<Judge> {
    const { images, labels, side, classes, seed, epochs, signal, onProgress } = training
    const judge = new Judge(side, classes, seed)
    using optimizer = new AdamW(judge.#arena, {
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      weightDecay: 0.05,
      clip: 1,
    })
    const steps = Math.floor((labels.length * epochs) / batchSize)
    const runAhead = new RunAhead()
    try {
      for (let step = 0; step < steps; step++) {
        signal?.throwIfAborted()
        const chosen = Array.from({ length: batchSize }, (_, i) =>
          sampleIndex(step * batchSize + i, labels.length, seed),
        )
        const pixels = flipSome(images, chosen, side, seed, step)
        const loss = scope(() => {
          const target = fromArray(Int32Array.from(chosen, (index) => labels[index]!))
          const loss = mean(crossEntropy(judge.#forward(fromArray(pixels, [-1, 1])).logits, target))
          backward(loss)
          optimizer.step(learningRateAt({ peak: 2e-3, final: 2e-5, warmupSteps: 100 }, step, step / steps))
          return loss
        })
        const done = loss.readFloats()
        loss.free()
        await runAhead.step(done)
        if (step % 20 === 0) onProgress?.(step / steps)
      }
      await runAhead.finish()
      return judge
    } catch (error) {
      judge[Symbol.dispose]()
      throw error
    }
  }

  /** The class that each image [N, side * side] of bytes most likely shows, and its features. */
  async judge(images: Uint8Array): Promise<Judged> {
    const size = this.side ** 2
    const count = images.length / size
    const classes = new Int32Array(count)
    const data = new Float32Array(count * featureWidth)
    for (let first = 0; first < count; first += batchSize) {
      const batch = new Uint8Array(batchSize * size)
      batch.set(images.subarray(first * size, (first + batchSize) * size))
      const { features, logits } = noGrad(() =>
        scope(() => this.#forward(fromArray(bytesToFloats(batch), [-1, 1]))),
      )
      const reads = [features.readFloats(), logits.readFloats()] as const
      features.free()
      logits.free()
      const [featureValues, logitValues] = await Promise.all(reads)
      const taken = Math.min(batchSize, count - first)
      data.set(featureValues.subarray(0, taken * featureWidth), first * featureWidth)
      for (let i = 0; i < taken; i++)
        classes[first + i] = largest(logitValues.subarray(i * this.classes, (i + 1) * this.classes))
    }
    return { classes, features: { data, width: featureWidth } }
  }

  /** pixels [batch * side * side, 1] -> features [batch, 128], logits [batch, classes] */
  #forward(pixels: Tensor): { features: Tensor; logits: Tensor } {
    let x = pixels
    this.#layers.forEach(({ grid, linear }, layer) => {
      const windows = reshape(gatherRows(x, this.#rows[layer]!), [-1, grid.window ** 2 * x.size(1)])
      x = silu(linear.forward(windows))
    })
    const features = silu(this.#hidden.forward(reshape(x, [batchSize, -1])))
    return { features, logits: this.#output.forward(features) }
  }

  [Symbol.dispose](): void {
    this.#arena[Symbol.dispose]()
    for (const rows of this.#rows) rows.free()
  }
}

const largest = (values: Float32Array): number =>
  values.reduce((best, value, i) => (value > values[best]! ? i : best), 0)

/** The chosen images as floats, half of them mirrored: most garments and shoes have a left and a right form. */
function flipSome(
  images: Uint8Array,
  chosen: number[],
  side: number,
  seed: number,
  step: number,
): Float32Array {
  const size = side * side
  const pixels = new Float32Array(chosen.length * size)
  chosen.forEach((index, i) => {
    const image = pixels.subarray(i * size, (i + 1) * size)
    bytesToFloats(images.subarray(index * size, (index + 1) * size), image)
    if (randomUniform(seed, 'shuffle', step, i) < 0.5)
      for (let y = 0; y < side; y++) image.subarray(y * side, (y + 1) * side).reverse()
  })
  return pixels
}
