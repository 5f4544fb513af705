/** A Transfusion model as lib/run drives any model: it has the shape of `RunModelType` there. */
import type { StreamOptions } from '../../../data/stream/open_stream.js'
import type { Image } from '../../../image/image.js'
import type { JsonTokenizer } from '../../../tokenizer/tokenizer.js'
import { AutoencoderCodec } from '../../autoencoder/codec.js'
import { createModel } from '../io/create.js'
import { type LoadedModel, loadModel, type LoadOptions, saveModel } from '../io/folder.js'
import { initializeFrom } from '../io/initialize.js'
import { type ModelOptions, modelOptions, namedSizes, type WrittenModelOptions } from '../model_options.js'
import type { Objective } from '../../../diffusion/objective.js'
import { sizeAdvice } from '../size_advice.js'
import { positionsOf, type TrainingData } from '../training/data.js'
import type { TransfusionTrainingOptions } from '../training/options.js'
import { Trainer } from '../training/trainer.js'
import { leastMemory } from './least_memory.js'
import { modelSizes } from './model_sizes.js'
import {
  checkSettings,
  continuedModel,
  preprocessingOf,
  type RunSettings,
  settingsOfWeights,
} from './settings.js'

class TransfusionRunModel {
  readonly generative: LoadedModel

  constructor(model: LoadedModel) {
    this.generative = model
  }

  get parameterCount(): number {
    return this.generative.network.arena.parameterCount
  }

  get sizes(): string {
    return modelSizes(this.generative.network)
  }

  get advice(): string[] {
    return sizeAdvice(this.generative.network.config, this.generative.objective)
  }

  get streamOptions(): Pick<StreamOptions, 'tokenizer' | 'image' | 'positionsOf'> {
    const { tokenizer, imagePreprocessing: image } = this.generative
    return { tokenizer, image, positionsOf: positionsOf(this.generative) }
  }

  trainer(data: TrainingData, options: TransfusionTrainingOptions): Trainer {
    return new Trainer(this.generative, data, options)
  }

  async save(folder: string): Promise<void> {
    await saveModel(folder, this.generative)
  }

  [Symbol.dispose](): void {
    this.generative.network[Symbol.dispose]()
    this.generative.codec?.[Symbol.dispose]?.()
  }
}

const loadCodec = ({ precision: compute, device }: RunSettings, autoencoder: string) =>
  AutoencoderCodec.load(autoencoder, { compute, device })

/** The codec of a run's model where its config names an autoencoder. */
const openCodec = async (settings: RunSettings) => {
  const { autoencoder } = settings.model
  return autoencoder === undefined ? undefined : await loadCodec(settings, autoencoder)
}

/** What a run does with models of this type. */
export const transfusionRuns = {
  withSizes: (model: ModelOptions) => ({ type: model.type, ...modelOptions(model) }),
  settingsOfWeights,
  continued: continuedModel,
  async check(settings: RunSettings, name: string) {
    const { sizes, patches } = await checkSettings(settings, name)
    return { ...leastMemory(sizes, settings, patches), patches }
  },
  async encoder(settings: RunSettings, name: string) {
    const { autoencoder } = settings.model
    if (autoencoder === undefined)
      throw new Error(
        `${name}: model.autoencoder: expected the folder of one; without it there is nothing to encode by`,
      )
    const preprocessing = await preprocessingOf(settings, name)
    const codec = await loadCodec(settings, autoencoder)
    const { channels, downscale, scale, checksums } = codec
    return {
      checksums,
      channels,
      downscale,
      scale,
      preprocessing,
      encodeMoments: (images: readonly Image[]) => codec.encodeMoments(images),
      [Symbol.dispose]: () => codec[Symbol.dispose](),
    }
  },
  async create(settings: RunSettings, tokenizer: JsonTokenizer) {
    const { objective, precision: compute, device, model, imagePreprocessing, training } = settings
    const codec = await openCodec(settings)
    const options = { objective, compute, device, seed: training.seed, codec, imagePreprocessing }
    return new TransfusionRunModel(createModel('model', modelOptions(model), tokenizer, options))
  },
  async initialize(
    folder: string,
    settings: RunSettings,
    written: { model?: WrittenModelOptions; objective?: Partial<Objective> },
  ) {
    const sizes = namedSizes(written.model ?? {})
    const { objective } = written
    const { precision: compute, device, imagePreprocessing, training } = settings
    const codec = await openCodec(settings)
    const options = { sizes, objective, compute, device, seed: training.seed, codec, imagePreprocessing }
    return new TransfusionRunModel(await initializeFrom(folder, options))
  },
  load: async (folder: string, options: LoadOptions) =>
    new TransfusionRunModel(await loadModel(folder, options)),
}
