/** A run that trains a model between images and latents. */
import type { Image } from '../../image/image.js'
import { documentsOf, streamOpener } from '../train_data.js'
import type { LeastMemory, ModelRun, RunData, RunModel, TrainingChanges } from '../run_model.js'
import type { AutoencoderTrainConfig } from './config.js'
import { type AutoencoderType, autoencoderType, type TrainedAutoencoder } from './model.js'
import { reconstructionSheets } from './sheets.js'

/** Images, and pixels, whose latents are measured once the model is trained. */
const measured = { images: 2048, pixels: 2 ** 26 }

export class AutoencoderRun implements ModelRun {
  readonly captions = 'ignored'
  readonly #config: AutoencoderTrainConfig
  readonly #type: AutoencoderType

  constructor(config: AutoencoderTrainConfig) {
    this.#config = config
    this.#type = autoencoderType(config.model)
  }

  get withSizes(): object {
    return this.#type.withSizes(this.#config.model)
  }

  /** A folder has nothing but weights. */
  async continued(): Promise<AutoencoderTrainConfig> {
    return this.#config
  }

  async check(name: string): Promise<LeastMemory> {
    const { images, ...bytes } = await this.#type.check(this.#config, name)
    return {
      ...bytes,
      batchOf: `images of ${images.width} x ${images.height} pixels each`,
      remedies: 'take fewer images, smaller ones or more micro-batches (training.gradientAccumulation)',
    }
  }

  async create(): Promise<RunModel> {
    return this.#trained(await this.#type.create(this.#config))
  }

  async initialize(folder: string): Promise<RunModel> {
    return this.#trained(await this.#type.initialize(folder, this.#config))
  }

  async load(folder: string): Promise<RunModel> {
    return this.#trained(await this.#type.load(folder, this.#config))
  }

  #trained(model: TrainedAutoencoder): RunModel {
    return new AutoencoderRunModel(model, this.#config, this.#type.advice(this.#config))
  }
}

class AutoencoderRunModel implements RunModel {
  readonly #model: TrainedAutoencoder
  readonly #config: AutoencoderTrainConfig

  constructor(
    model: TrainedAutoencoder,
    config: AutoencoderTrainConfig,
    readonly advice: readonly string[],
  ) {
    this.#model = model
    this.#config = config
  }

  get parameterCount() {
    return this.#model.parameterCount
  }

  get sizes() {
    return this.#model.sizes
  }

  trainer(data: RunData, changes: TrainingChanges = {}) {
    return this.#model.trainer(this.#opener(data), { ...this.#config.training, ...changes })
  }

  /** Whatever the settings, there is something to show. */
  async checkSamples() {}

  async sheets(data: RunData) {
    const images: Image[] = []
    for await (const image of this.#firstImages(data, this.#config.samples.count)) images.push(image)
    return reconstructionSheets(this.#model, images)
  }

  async save(folder: string, data: RunData) {
    await this.#model.measureScale(this.#firstImages(data, measured.images))
    await this.#model.save(folder)
  }

  #opener(data: RunData) {
    return streamOpener(this.#config, data, this.#model.streamOptions)
  }

  /** The first images that training reads, or all of the data where there are fewer. */
  async *#firstImages(data: RunData, most: number): AsyncGenerator<Image, void, undefined> {
    const documents = documentsOf(data.sources) ?? Infinity
    const stream = await this.#opener(data)({ seed: this.#config.training.seed })
    try {
      let images = 0
      let pixels = 0
      const enough = () => images >= most || pixels >= measured.pixels
      for (let read = 0; read < documents && !enough(); read++) {
        const { document } = await stream.next()
        for (const part of document.parts) {
          if (!('image' in part) || enough()) continue
          yield part.image
          images++
          pixels += part.image.width * part.image.height
        }
      }
    } finally {
      await stream.close()
    }
  }

  [Symbol.dispose]() {
    this.#model[Symbol.dispose]()
  }
}
