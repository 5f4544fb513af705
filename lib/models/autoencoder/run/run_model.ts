/** An autoencoder as lib/run drives any: it has the shape of `AutoencoderType` there. */
import type { PositionsOf } from '../../../data/stream/chunks.js'
import type { Image } from '../../../image/image.js'
import type { ImagePreprocessing } from '../../../image/image_preprocessing.js'
import type { LatentScale } from '../../../image/latent_scale.js'
import { downscaleOf, latentChannelsOf } from '../config.js'
import { loadAutoencoder, type LoadedAutoencoder, saveAutoencoder } from '../io/folder.js'
import { type AutoencoderModelOptions, namedAutoencoderSizes } from '../model_options.js'
import { AutoencoderNetwork } from '../network.js'
import { checkEncoder, openEncoder, refuseOtherEncoder } from './frozen_encoder.js'
import { imagesOf } from '../training/batches.js'
import type { AutoencoderTrainingOptions } from '../training/options.js'
import type { AutoencoderData } from '../training/task.js'
import { AutoencoderTrainer } from '../training/trainer.js'
import { type LoadedJudges, loadJudges } from './judges.js'
import { leastMemory } from './least_memory.js'
import { measureScale, unscaled } from './measure_scale.js'
import { reconstruct } from './reconstruct.js'
import {
  adviceFor,
  type AutoencoderSettings,
  checkSettings,
  preprocessingOf,
  refuseOtherSizes,
  settingsOfWeights,
  sizesOf,
} from './settings.js'

/** An autoencoder while it is trained. */
export class AutoencoderRunModel {
  readonly #autoencoder: LoadedAutoencoder
  #scale: LatentScale
  readonly #images: ImagePreprocessing
  readonly #judges: LoadedJudges

  constructor(autoencoder: LoadedAutoencoder, images: ImagePreprocessing, judges: LoadedJudges) {
    this.#judges = judges
    this.#autoencoder = autoencoder
    this.#scale = autoencoder.scale
    this.#images = images
  }

  get parameterCount(): number {
    return this.#autoencoder.network.arena.parameterCount
  }

  get sizes(): string {
    const { config } = this.#autoencoder.network
    const { width, height, channels } = this.#images
    const unit = downscaleOf(config)
    return [
      `channels ${config.channels.join(', ')}`,
      `${width} x ${height} x ${channels} to ${width / unit} x ${height / unit} x ${latentChannelsOf(config)}`,
      ...(config.codebook ? [`${config.codebook.codes.toLocaleString('en')} codes`] : []),
      `${this.parameterCount.toLocaleString('en')} parameters`,
    ].join(', ')
  }

  /** Texts are left out; an image counts as one position. */
  get streamOptions(): { tokenizer: undefined; image: ImagePreprocessing; positionsOf: PositionsOf } {
    const image = this.#images
    return {
      tokenizer: undefined,
      image,
      positionsOf: (document) => imagesOf(document, image).length,
    }
  }

  trainer(open: AutoencoderData['open'], options: AutoencoderTrainingOptions): AutoencoderTrainer {
    const { perceptual, identity } = this.#judges
    const data = { open, images: this.#images }
    return new AutoencoderTrainer(this.#scaled, data, options, { perceptual, identity })
  }

  reconstruct(images: readonly Image[]): Promise<Image[]> {
    return reconstruct(this.#autoencoder, images)
  }

  async measureScale(images: AsyncIterable<Image>): Promise<void> {
    this.#scale = await measureScale(this.#autoencoder, images)
  }

  async save(folder: string): Promise<void> {
    await saveAutoencoder(folder, this.#scaled)
  }

  get #scaled(): LoadedAutoencoder {
    return { ...this.#autoencoder, scale: this.#scale }
  }

  [Symbol.dispose](): void {
    disposeOf(this.#autoencoder)
    this.#judges[Symbol.dispose]()
  }
}

function disposeOf({ network, encoder }: LoadedAutoencoder): void {
  network[Symbol.dispose]()
  encoder?.[Symbol.dispose]?.()
}

const load = async (folder: string, settings: AutoencoderSettings): Promise<LoadedAutoencoder> =>
  loadAutoencoder(folder, { compute: settings.precision, device: settings.device })

/** A model with what its loss is to be computed with. */
async function runModel(
  autoencoder: LoadedAutoencoder,
  settings: AutoencoderSettings,
): Promise<AutoencoderRunModel> {
  const { precision: compute, device, training } = settings
  try {
    const images = preprocessingOf(settings, 'config')
    await checkEncoder(autoencoder, images)
    return new AutoencoderRunModel(autoencoder, images, await loadJudges(training.loss, { compute, device }))
  } catch (error) {
    disposeOf(autoencoder)
    throw error
  }
}

/** What a run does with autoencoders of this type. */
export const autoencoderRuns = {
  withSizes: (model: AutoencoderModelOptions) => ({
    type: model.type,
    ...namedAutoencoderSizes(model),
    ...(model.frozenEncoder && { frozenEncoder: model.frozenEncoder }),
  }),
  settingsOfWeights,
  advice: adviceFor,
  async check(settings: AutoencoderSettings, name: string) {
    checkSettings(settings, name)
    return leastMemory(settings, name)
  },
  async create(settings: AutoencoderSettings): Promise<AutoencoderRunModel> {
    const { model, precision, device, training } = settings
    const encoder = await openEncoder(model)
    const network = new AutoencoderNetwork(sizesOf(model, 'config'), precision, device)
    network.arena.initialize(training.seed)
    return runModel({ network, scale: unscaled(network.config), ...(encoder && { encoder }) }, settings)
  },
  async initialize(folder: string, settings: AutoencoderSettings): Promise<AutoencoderRunModel> {
    const autoencoder = await load(folder, settings)
    try {
      refuseOtherSizes(sizesOf(settings.model, 'config'), autoencoder.network.config, folder)
    } catch (error) {
      disposeOf(autoencoder)
      throw error
    }
    return runModel(autoencoder, settings)
  },
  async load(folder: string, settings: AutoencoderSettings): Promise<AutoencoderRunModel> {
    const autoencoder = await load(folder, settings)
    try {
      await refuseOtherEncoder(autoencoder, settings.model)
    } catch (error) {
      disposeOf(autoencoder)
      throw error
    }
    return runModel(autoencoder, settings)
  },
}
