/** A run that trains a model of text and images. */
import { checkImageGeneration } from '../../generation/generate_images.js'
import { imageSamplingOf } from '../../generation/image_sampling.js'
import type {
  CreationHooks,
  LeastMemory,
  ModelRun,
  RunData,
  RunModel,
  TrainingChanges,
} from '../run_model.js'
import { naming } from '../naming.js'
import { streamOpener } from '../train_data.js'
import type { GenerativeTrainConfig, WrittenGenerativeConfig } from './config.js'
import { firstImages } from './first_images.js'
import {
  type FirstImages,
  type GenerativeModelType,
  generativeModelType,
  type TrainedGenerativeModel,
} from './model.js'
import { generatedSheets } from './sheets.js'
import { openTokenizer } from './texts.js'

export class GenerativeRun implements ModelRun {
  readonly captions = 'required'
  readonly #config: GenerativeTrainConfig
  readonly #type: GenerativeModelType

  constructor(config: GenerativeTrainConfig) {
    this.#config = config
    this.#type = generativeModelType(config.model)
  }

  get withSizes(): object {
    return this.#type.withSizes(this.#config.model)
  }

  async continued(folder: string, name: string): Promise<GenerativeTrainConfig | undefined> {
    const model = await this.#type.continued(this.#config, folder, name)
    return model && { ...this.#config, model }
  }

  async check(name: string): Promise<LeastMemory> {
    const { samples, objective } = this.#config
    const { patches, ...bytes } = await this.#type.check(this.#config, name)
    await naming(`${name}: samples`, () => imageSamplingOf(samples, objective))
    return {
      ...bytes,
      batchOf: `images of ${patches.toLocaleString('en')} patches each`,
      remedies:
        'take fewer images, smaller ones, a larger model.image.patch or more micro-batches (training.gradientAccumulation)',
    }
  }

  async create(data: RunData, { onTokenizerProgress }: CreationHooks = {}): Promise<RunModel> {
    const { sources, onSkip } = data
    const tokenizer = await openTokenizer(this.#config, sources, onSkip, { onProgress: onTokenizerProgress })
    return this.#trained(await this.#type.create(this.#config, tokenizer, this.#imagesOf(data)))
  }

  async initialize(folder: string, written: unknown, data: RunData): Promise<RunModel> {
    // It was parsed, completed by what the folder says, when the run's config was.
    const config = written as WrittenGenerativeConfig
    return this.#trained(await this.#type.initialize(folder, this.#config, config, this.#imagesOf(data)))
  }

  async load(folder: string): Promise<RunModel> {
    return this.#trained(await this.#type.load(folder, this.#config))
  }

  #imagesOf({ sources }: RunData): FirstImages {
    const { seed } = this.#config.training
    return (count, preprocessing) => firstImages(sources, seed, count, preprocessing)
  }

  #trained(model: TrainedGenerativeModel): RunModel {
    return new GenerativeRunModel(model, this.#config)
  }
}

class GenerativeRunModel implements RunModel {
  readonly #model: TrainedGenerativeModel
  readonly #config: GenerativeTrainConfig

  constructor(model: TrainedGenerativeModel, config: GenerativeTrainConfig) {
    this.#model = model
    this.#config = config
  }

  get parameterCount() {
    return this.#model.parameterCount
  }

  get sizes() {
    return this.#model.sizes
  }

  get advice() {
    return this.#model.advice
  }

  trainer(data: RunData, changes: TrainingChanges = {}) {
    const open = streamOpener(this.#config, data, this.#model.streamOptions)
    return this.#model.trainer(open, { ...this.#config.training, ...changes })
  }

  async checkSamples(name: string) {
    const { every: _every, prompts = [], ...options } = this.#config.samples
    const { generative } = this.#model
    await naming(`${name}: samples`, () => checkImageGeneration(generative, [], options))
    for (const [i, prompt] of prompts.entries())
      await naming(`${name}: samples.prompts[${i}]`, () =>
        checkImageGeneration(generative, [prompt], options),
      )
  }

  sheets({ sources }: RunData, onWarning: (line: string) => void) {
    return generatedSheets(this.#model.generative, this.#config.samples, sources, onWarning)
  }

  save(folder: string) {
    return this.#model.save(folder)
  }

  [Symbol.dispose]() {
    this.#model[Symbol.dispose]()
  }
}
