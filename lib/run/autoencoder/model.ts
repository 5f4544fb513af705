/** What a run needs of a model between images and latents; lib/models/registry.ts has what fits it, by type. */
import type { Image } from '../../image/image.js'
import type { ImagePreprocessing } from '../../image/image_preprocessing.js'
import { type AutoencoderModelName, autoencoders } from '../../models/registry.js'
import type { TaskTrainer } from '../../training/task_trainer.js'
import type { LeastMemory, ModelStreamOptions, OpenTrainingStream } from '../run_model.js'
import type { AutoencoderTrainConfig } from './config.js'

/** An autoencoder that a run trains. */
export interface TrainedAutoencoder {
  readonly parameterCount: number
  /** The model's sizes in one line. */
  readonly sizes: string
  /** How documents are preprocessed for the model; what it reads of one has images alone. */
  readonly streamOptions: ModelStreamOptions
  trainer(open: OpenTrainingStream, options: AutoencoderTrainConfig['training']): TaskTrainer
  /** Images of the size that it is trained on through encoder and decoder. */
  reconstruct(images: readonly Image[]): Promise<Image[]>
  /** Measures the scale by which latents of images have a variance of 1; `save` writes it. */
  measureScale(images: AsyncIterable<Image>): Promise<void>
  /** Writes the model's folder. */
  save(folder: string): Promise<void>
  /** Frees the weights. */
  [Symbol.dispose](): void
}

/** What a run does with autoencoders of one type. */
export interface AutoencoderType {
  /** A config's model with the sizes that a preset stands for in its place. */
  withSizes(model: AutoencoderTrainConfig['model']): object
  /** The settings that the weights of a folder decide, for a config that leaves them out; `written`: its model. */
  settingsOfWeights(
    folder: string,
    written: Partial<AutoencoderTrainConfig['model']>,
  ): Promise<{ model: object }>
  /**
   * Rejects with an Error for settings that do not fit each other, the data or the files that they name; resolves with what
   * training takes at least, and how the run decodes images.
   */
  check(
    config: AutoencoderTrainConfig,
    name: string,
  ): Promise<Omit<LeastMemory, 'batchOf' | 'remedies'> & { readonly images: ImagePreprocessing }>
  /** A line for each setting with which the model is expected to learn badly. */
  advice(config: AutoencoderTrainConfig): readonly string[]
  /** A new model, its weights random. */
  create(config: AutoencoderTrainConfig): Promise<TrainedAutoencoder>
  /** A model with the weights of a folder; rejects where these have other sizes. */
  initialize(folder: string, config: AutoencoderTrainConfig): Promise<TrainedAutoencoder>
  /** The model of a folder that `save` or a checkpoint wrote. */
  load(folder: string, config: AutoencoderTrainConfig): Promise<TrainedAutoencoder>
}

const types: Readonly<Record<AutoencoderModelName, AutoencoderType>> = autoencoders

/** What a run does with autoencoders of the type that a config names. */
export const autoencoderType = (model: { type: AutoencoderModelName }): AutoencoderType => types[model.type]
