import { checkArguments, checkOptions } from '../../arguments.js'
import { noGrad } from '../../autograd/tape.js'
import { describe } from '../../describe.js'
import type { Image } from '../../image/image.js'
import { pixelValues } from '../../image/image_source.js'
import { bytesToFloats } from '../../image/pixels.js'
import { scope } from '../../tensor/scope.js'
import { TaskTrainer } from '../../training/task_trainer.js'
import {
  cellSide,
  classifierBatch,
  ClassifierNetwork,
  type ClassifierSizes,
  featureWidth,
} from './classifier_network.js'
import { checkLabels } from './class_data.js'
import { classifierTask } from './classifier_task.js'
import type { ClassifierOutput } from '../image_metrics/image_metrics.js'

/** Steps between two calls of `onProgress`. */
const progressSteps = 20

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
  /** How often each image is seen, in batches of 64; what is left of the last batch is not. */
  epochs: number
  /** Stops training, which then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Receives the share of training that is done, 0 .. 1, every 20 steps. */
  onProgress?: (share: number) => void
}

const trainingKeys = {
  images: true,
  labels: true,
  side: true,
  channels: true,
  classes: true,
  seed: true,
  epochs: true,
  signal: true,
  onProgress: true,
} as const

/**
 * A small convolutional classifier of images. Its last hidden layer gives the features that distances between sets of
 * generated and real images are measured in.
 */
export class ImageClassifier implements ClassifierSizes {
  /** Width and height of the images that it classifies, pixels. */
  readonly side: number
  /** Values of a pixel. */
  readonly channels: Image['channels']
  /** Number of classes. */
  readonly classes: number
  readonly #network: ClassifierNetwork

  private constructor(sizes: ClassifierSizes, network: ClassifierNetwork) {
    if (!(network instanceof ClassifierNetwork))
      throw new TypeError('ImageClassifier: it is made by ImageClassifier.train')
    this.side = sizes.side
    this.channels = sizes.channels
    this.classes = sizes.classes
    this.#network = network
  }

  /**
   * Trains a classifier; the same for the same images and seed. Rejects with a RangeError for an odd side, for labels that
   * do not fit the images or the classes, and for fewer images than a batch has; with the signal's reason when it aborts.
   */
  static async train(training: ClassifierTraining): Promise<ImageClassifier> {
    const callee = 'ImageClassifier.train'
    checkArguments(callee, { training: [training, 'object'] })
    checkOptions(callee, training, trainingKeys, 'training')
    const { images, labels, side, channels = 1, classes, seed, epochs, signal, onProgress } = training
    checkArguments(callee, {
      images: [images, 'numbers'],
      labels: [labels, 'numbers'],
      side: [side, 'number'],
      classes: [classes, 'number'],
      epochs: [epochs, 'number'],
    })
    if (side % cellSide !== 0) throw new RangeError(`${callee}: side must be even, received ${side}`)
    const size = side ** 2 * channels
    checkBytes(callee, images, size)
    if (labels.length * size !== images.length)
      throw new RangeError(
        `${callee}: labels must be one for each image, received ${labels.length} for ${images.length / size}`,
      )
    checkLabels(`${callee}: labels`, labels, classes)
    const steps = Math.floor((labels.length * epochs) / classifierBatch)
    if (steps === 0)
      throw new RangeError(
        `${callee}: images must fill a batch of ${classifierBatch} in all epochs together, ` +
          `received ${labels.length} for ${epochs} epochs`,
      )
    const network = new ClassifierNetwork({ side, channels, classes }, seed)
    try {
      using trainer = new TaskTrainer(classifierTask(network, { images, labels }), {
        seed,
        steps,
        optimizer: { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.05, clip: 1 },
        learningRate: { peak: 3e-3, final: 6e-5, warmupSteps: 100 },
      })
      await trainer.run({
        ...(signal && { signal }),
        onStep: ({ step, progress }) => {
          if (step % progressSteps === 0) onProgress?.(progress)
        },
      })
      signal?.throwIfAborted()
      return new ImageClassifier({ side, channels, classes }, network)
    } catch (error) {
      network[Symbol.dispose]()
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
    for (let first = 0; first < count; first += classifierBatch) {
      const batch = new Uint8Array(classifierBatch * size)
      batch.set(images.subarray(first * size, (first + classifierBatch) * size))
      const { features, logits } = noGrad(() => scope(() => this.#network.forward(bytesToFloats(batch))))
      const reads = [features.readFloats(), logits.readFloats()] as const
      features.free()
      logits.free()
      const [featureValues, logitValues] = await Promise.all(reads)
      const taken = Math.min(classifierBatch, count - first)
      data.set(featureValues.subarray(0, taken * featureWidth), first * featureWidth)
      for (let i = 0; i < taken; i++)
        classes[first + i] = argmax(logitValues.subarray(i * this.classes, (i + 1) * this.classes))
    }
    return { classes, features: { data, width: featureWidth } }
  }

  /** Frees its weights. */
  [Symbol.dispose](): void {
    this.#network[Symbol.dispose]()
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

const argmax = (values: Float32Array): number =>
  values.reduce((best, value, i) => (value > values[best]! ? i : best), 0)
