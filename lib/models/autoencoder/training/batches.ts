import { z } from 'zod'
import type { TokenizedDocument } from '../../../data/document.js'
import type { DocumentStream, StreamState } from '../../../data/document_stream.js'
import { streamStateSchema } from '../../../data/stream_state.js'
import type { Image, ImageSize } from '../../../image/image.js'
import { bytesToFloats } from '../../../image/pixels.js'
import { randomSeeds } from '../../../random.js'

/** Where the images of a run stand: a batch may end between two images of a document. */
export interface ImageDataState {
  /** Of the stream, before the document that images are taken of; absent before the first one. */
  readonly stream?: StreamState
  /** How many images of the next document have been taken. */
  readonly images: number
}

/** The state of a run's images as checkpoints keep it. */
export const imageDataStateSchema: z.ZodType<ImageDataState> = z.strictObject({
  stream: streamStateSchema.optional(),
  images: z.int().min(0),
})

/** Images of one size that are computed together. */
export interface ImageBatch {
  /** Of training, from 0. */
  readonly step: number
  /** N, in this batch. */
  readonly images: number
  /** `[N, H, W, C]` of -1 .. 1 */
  readonly values: Float32Array
  /** `[N, 4]`: the noise of each image's latent. */
  readonly seeds: Int32Array
  /** Of all batches of the step together. */
  readonly imagesOfStep: number
  /** [N, h, w, L], what a frozen encoder has made of the images; absent where the network encodes them. */
  readonly latents?: { readonly shape: readonly number[]; readonly values: Float32Array }
}

/** What images of a run are. */
export interface TrainingImages extends ImageSize {
  /** 1 is grayscale, 3 is RGB. */
  readonly channels: Image['channels']
}

/** What one step of the optimizer is trained on. */
export interface ImageBatches {
  /** Computed one after the other, their gradients summed. */
  readonly microBatches: readonly ImageBatch[]
  readonly dataState: ImageDataState
}

/** The images of a document, which are all that an autoencoder reads of it. Throws an Error where one is none that it can read. */
export function imagesOf({ name, parts }: TokenizedDocument, expected: TrainingImages): Image[] {
  const images = parts.flatMap((part) => {
    if (part.type === 'text') return []
    if ('values' in part)
      throw new Error(`${name}: an image of it is encoded already; an autoencoder is trained on pixels`)
    return [part.image]
  })
  if (images.length === 0)
    throw new Error(
      `${name}: has no image, and an autoencoder is trained on images alone; leave it out, or set loading.onUnreadable to "skip"`,
    )
  const { width, height, channels } = expected
  for (const image of images)
    if (image.width !== width || image.height !== height || image.channels !== channels)
      throw new Error(
        `${name}: an image of it is ${image.width} x ${image.height} x ${image.channels}; expected ${width} x ${height} x ` +
          `${channels}, as the model and imagePreprocessing say: images in memory are not resized`,
      )
  return images
}

/**
 * Makes the batches of a run. What is random in a batch depends on the seed and the step alone, so that a run resumes at any
 * step with a stream that stands where the step before left it.
 */
export class ImageBatchMaker {
  readonly #stream: DocumentStream
  readonly #expected: TrainingImages
  /** Images that were read, and not taken yet. */
  #waiting: Image[] = []
  #state: ImageDataState
  /** After the document that images wait of. */
  #next: StreamState | undefined

  /** `state`: where `stream` stands, and how many images of its next document were taken. */
  constructor(stream: DocumentStream, expected: TrainingImages, state: ImageDataState = { images: 0 }) {
    this.#stream = stream
    this.#expected = expected
    this.#state = state
    this.#next = state.stream
  }

  /** Rejects as the stream does. */
  async make(
    step: number,
    options: { seed: number; batchSize: number; gradientAccumulation: number },
  ): Promise<ImageBatches> {
    const { seed, batchSize, gradientAccumulation } = options
    const microBatches: ImageBatch[] = []
    let first = 0
    for (let number = 0; number < gradientAccumulation; number++) {
      // Where sizes do not divide evenly, the first micro-batches take one image more.
      const images = Math.floor((batchSize + gradientAccumulation - 1 - number) / gradientAccumulation)
      const { width, height, channels } = this.#expected
      const size = width * height * channels
      const values = new Float32Array(images * size)
      for (let i = 0; i < images; i++)
        bytesToFloats((await this.#take()).data, values.subarray(i * size, (i + 1) * size))
      const seeds = randomSeeds(seed, 'noise', step, images, first)
      microBatches.push({ step, images, values, seeds, imagesOfStep: batchSize })
      first += images
    }
    return { microBatches, dataState: this.#state }
  }

  async #take(): Promise<Image> {
    if (this.#waiting.length === 0) {
      const { images } = this.#state
      const { document, state } = await this.#stream.next()
      this.#next = state
      // More may have been taken than there are, where the data changed since the state was saved.
      this.#waiting = imagesOf(document, this.#expected).slice(images)
      if (this.#waiting.length === 0) {
        this.#state = { stream: state, images: 0 }
        return this.#take()
      }
    }
    const image = this.#waiting.shift()!
    this.#state =
      this.#waiting.length === 0
        ? { ...(this.#next && { stream: this.#next }), images: 0 }
        : { ...this.#state, images: this.#state.images + 1 }
    return image
  }
}
