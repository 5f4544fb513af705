import { checkArguments } from '../arguments.js'
import { backward, noGrad } from '../autograd/tape.js'
import type { Image } from '../image/image.js'
import { pixelValues } from '../image/image_source.js'
import { bytesToFloats } from '../image/pixels.js'
import { describe } from '../describe.js'
import { ParameterArena } from '../nn/arena.js'
import { Linear } from '../nn/linear.js'
import { RmsNorm } from '../nn/norm.js'
import { ParameterList } from '../nn/parameters.js'
import { crossEntropy } from '../ops/cross_entropy.js'
import { gatherRows } from '../ops/gather_rows.js'
import { patchify } from '../ops/patchify.js'
import { mean } from '../ops/reduce.js'
import { reshape } from '../ops/reshape.js'
import { silu } from '../ops/silu.js'
import { sampleIndex } from '../data/sample_order.js'
import { InFlightLimit } from '../tensor/in_flight_limit.js'
import { keep, scope } from '../tensor/scope.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'
import { AdamW } from '../training/adamw.js'
import { learningRateAt } from '../training/learning_rate.js'
import type { ClassifierOutput } from './image_metrics.js'
import { type WindowGrid, windowRows, windowsPerSide } from './windows.js'

const featureWidth = 128
const batchSize = 64
/** Pixels along the side of a cell: the first layer reads windows of cells, which take fewer rows than of pixels. */
const cell = 2
const normEps = 1e-5

/** What a classifier is trained on, and for how long. */
export interface ClassifierTraining {
  /** Square images in a row [N, side * side * channels], bytes, channels last. */
  images: Uint8Array
  /** `[N]`, from 0. */
  labels: ArrayLike<number>
  /** Width and height, pixels; even. */
  side: number
  /** 1, the default: grayscale; 3: RGB. */
  channels?: Image['channels']
  /** Number of classes. */
  classes: number
  /** Weights and order follow from it. */
  seed: number
  /** How often each image is seen. */
  epochs: number
  /** Stops training, which then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Receives the share of training that is done, 0 .. 1. */
  onProgress?: (share: number) => void
}

/**
 * A small convolutional classifier of images. Its last hidden layer gives the features that distances between sets of
 * generated and real images are measured in.
 */
export class ImageClassifier {
  readonly #arena: ParameterArena
  readonly #layers: { grid: WindowGrid; linear: Linear; norm: RmsNorm }[]
  readonly #hidden: Linear
  readonly #output: Linear
  /** Height and width of each image of a batch. */
  readonly #sizes: Tensor
  /** The windows' rows for a batch, by layer. */
  readonly #rows: Tensor[]

  private constructor(
    /** Width and height of the images that it classifies, pixels. */
    readonly side: number,
    /** Values of a pixel. */
    readonly channels: Image['channels'],
    /** Number of classes. */
    readonly classes: number,
    seed: number,
  ) {
    const list = new ParameterList()
    const options = { bias: true }
    const layer = (name: string, grid: WindowGrid, inputs: number, outputs: number) => ({
      grid,
      linear: new Linear(list.under(name), grid.window ** 2 * inputs, outputs, options),
      norm: new RmsNorm(list.under(`${name}_norm`), outputs, normEps),
    })
    const first: WindowGrid = { side: side / cell, window: 3, stride: 1 }
    const second: WindowGrid = { side: windowsPerSide(first), window: 3, stride: 2 }
    this.#layers = [layer('first', first, cell ** 2 * channels, 32), layer('second', second, 32, 64)]
    this.#hidden = new Linear(list.under('hidden'), windowsPerSide(second) ** 2 * 64, featureWidth, options)
    this.#output = new Linear(list.under('output'), featureWidth, classes, options)
    this.#arena = new ParameterArena(list.parameters)
    this.#arena.initialize(seed)
    this.#sizes = keep(fromArray(new Int32Array(2 * batchSize).fill(side), [batchSize, 2]))
    this.#rows = this.#layers.map(({ grid }) => keep(fromArray(windowRows(batchSize, grid))))
  }

  /**
   * Trains a classifier; the same for the same images and seed. Rejects with a RangeError for an odd side or labels that
   * do not fit the images, with the signal's reason when it aborts.
   */
  static async train(training: ClassifierTraining): Promise<ImageClassifier> {
    checkArguments('ImageClassifier.train', { training: [training, 'object'] })
    const { images, labels, side, channels = 1, classes, seed, epochs, signal, onProgress } = training
    checkArguments('ImageClassifier.train', {
      images: [images, 'numbers'],
      labels: [labels, 'numbers'],
      side: [side, 'number'],
      classes: [classes, 'number'],
      epochs: [epochs, 'number'],
    })
    if (side % cell !== 0) throw new RangeError(`ImageClassifier.train: side must be even, received ${side}`)
    const size = side ** 2 * channels
    checkBytes('ImageClassifier.train', images, size)
    if (labels.length * size !== images.length)
      throw new RangeError(
        `ImageClassifier.train: labels must be one for each image, received ${labels.length} for ${images.length / size} images`,
      )
    const classifier = new ImageClassifier(side, channels, classes, seed)
    using optimizer = new AdamW(classifier.#arena, {
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      weightDecay: 0.05,
      clip: 1,
    })
    const steps = Math.floor((labels.length * epochs) / batchSize)
    const inFlight = new InFlightLimit()
    try {
      for (let step = 0; step < steps; step++) {
        signal?.throwIfAborted()
        const chosen = Array.from({ length: batchSize }, (_, i) =>
          sampleIndex(step * batchSize + i, labels.length, seed),
        )
        const pixels = pixelsOf(images, chosen, size)
        const loss = scope(() => {
          const target = fromArray(Int32Array.from(chosen, (index) => labels[index]!))
          const loss = mean(crossEntropy(classifier.#forward(pixels).logits, target))
          backward(loss)
          optimizer.step(learningRateAt({ peak: 3e-3, final: 6e-5, warmupSteps: 100 }, step, step / steps))
          return loss
        })
        const done = loss.readFloats()
        loss.free()
        await inFlight.step(done)
        if (step % 20 === 0) onProgress?.(step / steps)
      }
      await inFlight.finish()
      return classifier
    } catch (error) {
      classifier[Symbol.dispose]()
      throw error
    }
  }

  /**
   * The most likely class of each image, and its features. `images`: bytes [N, side * side * channels]. Rejects with a
   * TypeError or RangeError where they are not the bytes of N images.
   */
  async classify(images: Uint8Array): Promise<ClassifierOutput> {
    const size = this.side ** 2 * this.channels
    checkBytes('ImageClassifier.classify', images, size)
    const count = images.length / size
    const classes = new Int32Array(count)
    // Shared memory: a worker thread that computes metrics reads it without a copy.
    const data = new Float32Array(
      new SharedArrayBuffer(count * featureWidth * Float32Array.BYTES_PER_ELEMENT),
    )
    for (let first = 0; first < count; first += batchSize) {
      const batch = new Uint8Array(batchSize * size)
      batch.set(images.subarray(first * size, (first + batchSize) * size))
      const { features, logits } = noGrad(() => scope(() => this.#forward(bytesToFloats(batch))))
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

  /** pixels of a batch -> features [batch, 128], logits [batch, classes] */
  #forward(pixels: Float32Array): { features: Tensor; logits: Tensor } {
    let x = patchify(fromArray(pixels, [pixels.length / this.channels, this.channels]), this.#sizes, cell)
    this.#layers.forEach(({ grid, linear, norm }, layer) => {
      const windows = reshape(gatherRows(x, this.#rows[layer]!), [-1, grid.window ** 2 * x.size(1)])
      x = silu(norm.forward(linear.forward(windows)))
    })
    const features = silu(this.#hidden.forward(reshape(x, [batchSize, -1])))
    return { features, logits: this.#output.forward(features) }
  }

  /** Frees its weights. */
  [Symbol.dispose](): void {
    this.#arena[Symbol.dispose]()
    this.#sizes.free()
    for (const rows of this.#rows) rows.free()
  }
}

/** Throws unless `images` are the bytes of images of `size` bytes each. */
function checkBytes(callee: string, images: Uint8Array, size: number): void {
  if (!pixelValues(images))
    throw new TypeError(
      `${callee}: images must be a Uint8Array of all their bytes, received ${describe(images)}`,
    )
  if (images.length % size !== 0)
    throw new RangeError(
      `${callee}: images must have ${size} bytes each, received ${images.length} bytes in all`,
    )
}

const largest = (values: Float32Array): number =>
  values.reduce((best, value, i) => (value > values[best]! ? i : best), 0)

/** The chosen images as floats, one after the other. */
function pixelsOf(images: Uint8Array, chosen: readonly number[], size: number): Float32Array {
  const pixels = new Float32Array(chosen.length * size)
  chosen.forEach((index, i) =>
    bytesToFloats(images.subarray(index * size, (index + 1) * size), pixels.subarray(i * size)),
  )
  return pixels
}
