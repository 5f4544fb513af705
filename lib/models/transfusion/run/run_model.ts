/** A Transfusion model as lib/run drives any model: it has the shape of `RunModelType` there. */
import type { StreamOptions } from '../../../data/stream/open_stream.js'
import type { ImageCodec } from '../../../image/codec.js'
import type { Image } from '../../../image/image.js'
import type { ImagePreprocessing } from '../../../image/image_preprocessing.js'
import type { JsonTokenizer } from '../../../tokenizer/tokenizer.js'
import { AutoencoderCodec } from '../../autoencoder/codec.js'
import { loadImageCodec } from '../../autoencoder/image_codec.js'
import { createModel } from '../io/create.js'
import { type LoadedModel, loadModel, saveModel } from '../io/folder.js'
import { initializeFrom } from '../io/initialize.js'
import { locateModel } from '../io/locate.js'
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
  statisticsOfLatents,
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

const loadCodec = ({ precision: compute, device, model }: RunSettings, autoencoder: string) =>
  loadImageCodec(autoencoder, model.image, { compute, device })

type FirstImages = (count: number, preprocessing: ImagePreprocessing) => Promise<Image[]>

/** Images of the data that latents are measured on where none are encoded yet: about a batch (our choice). */
const measuredImages = 64

/** The codec of a new model where its config names an autoencoder, its latents measured. */
async function openCodec(settings: RunSettings, images: FirstImages): Promise<ImageCodec | undefined> {
  const { autoencoder, latentScale } = settings.model
  if (autoencoder === undefined) return undefined
  const codec = await loadCodec(settings, autoencoder)
  if (!(codec instanceof AutoencoderCodec)) return codec
  try {
    const statistics =
      (await statisticsOfLatents(settings)) ??
      (await codec.measure(await images(measuredImages, await preprocessingOf(settings, 'config'))))
    if (statistics.positions > 0) codec.calibrate(statistics, latentScale)
  } catch (error) {
    codec[Symbol.dispose]()
    throw error
  }
  return codec
}

/** The autoencoder of a config, to be compared with that of the weights that a run begins with. */
const ownCodec = async (settings: RunSettings) => {
  const { autoencoder } = settings.model
  return autoencoder === undefined ? undefined : await loadCodec(settings, autoencoder)
}

/** What a run does with models of this type. */
export const transfusionRuns = {
  withSizes({ type, autoencoder, latentScale, ...model }: ModelOptions) {
    return { type, autoencoder, latentScale, ...modelOptions({ type, ...model }) }
  },
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
    if (settings.model.image.codes !== undefined)
      throw new Error(
        `${name}: model.image.codes: images become codes as they are trained on; expected a config without, whose model reads latents`,
      )
    const { precision: compute, device } = settings
    const codec = await AutoencoderCodec.load(autoencoder, { compute, device })
    const { channels, imageChannels, downscale, checksums } = codec
    return {
      checksums,
      channels,
      imageChannels,
      downscale,
      preprocessing,
      encodeMoments: (images: readonly Image[]) => codec.encodeMoments(images),
      [Symbol.dispose]: () => codec[Symbol.dispose](),
    }
  },
  async create(settings: RunSettings, tokenizer: JsonTokenizer, images: FirstImages) {
    const { objective, precision: compute, device, model, imagePreprocessing, training } = settings
    const codec = await openCodec(settings, images)
    const { seed, freeze, lora } = training
    const options = { objective, compute, device, seed, codec, imagePreprocessing, freeze, lora }
    return new TransfusionRunModel(createModel('model', modelOptions(model), tokenizer, options))
  },
  async initialize(
    folder: string,
    settings: RunSettings,
    written: { model?: WrittenModelOptions; objective?: Partial<Objective> },
    images: FirstImages,
  ) {
    const sizes = namedSizes(written.model ?? {})
    const { objective } = written
    const { precision: compute, device, imagePreprocessing, training } = settings
    const { kind } = await locateModel(folder)
    // A model of ours has a codec, and has read its values.
    const codec = kind === 'pretrained' ? await openCodec(settings, images) : await ownCodec(settings)
    const { seed, freeze, lora } = training
    const options = { sizes, objective, compute, device, seed, codec, imagePreprocessing, freeze, lora }
    return new TransfusionRunModel(await initializeFrom(folder, options))
  },
  load: async (folder: string, { precision: compute, device, training: { freeze, lora } }: RunSettings) =>
    new TransfusionRunModel(await loadModel(folder, { compute, device, freeze, lora })),
}
