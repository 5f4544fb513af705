/** What a run needs of a model of text and images; lib/models/registry.ts has what fits it, by type. */
import type { Objective } from '../../diffusion/objective.js'
import type { Checksums } from '../../files/checksum.js'
import type { GenerativeModel } from '../../generation/model.js'
import type { EncodedImage, Image } from '../../image/image.js'
import type { ImagePreprocessing } from '../../image/image_preprocessing.js'
import { generativeModels, type GenerativeModelName } from '../../models/registry.js'
import type { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import type { TaskTrainer } from '../../training/task_trainer.js'
import type { LeastMemory, ModelStreamOptions, OpenTrainingStream } from '../run_model.js'
import type { GenerativeTrainConfig, WrittenGenerativeConfig } from './config.js'

/** A model of text and images that a run trains. */
export interface TrainedGenerativeModel {
  /** What the run's samples are generated with. */
  readonly generative: GenerativeModel
  readonly parameterCount: number
  /** The model's sizes in one line. */
  readonly sizes: string
  /** A line for each setting with which the model is expected to learn badly. */
  readonly advice: readonly string[]
  /** How documents are preprocessed for the model. */
  readonly streamOptions: ModelStreamOptions
  trainer(open: OpenTrainingStream, options: GenerativeTrainConfig['training']): TaskTrainer
  /** Writes the model's folder. */
  save(folder: string): Promise<void>
  /** Frees the weights. */
  [Symbol.dispose](): void
}

/** What encodes images once, where each step of a run would. */
export interface RunEncoder {
  /** Of the files that it was read from, by their names. */
  readonly checksums: Checksums
  /** Values of a position. */
  readonly channels: number
  /** Pixels for each position, along each side. */
  readonly downscale: number
  /** Channels of the images. */
  readonly imageChannels: Image['channels']
  /** How images are decoded for it. */
  readonly preprocessing: ImagePreprocessing
  /** The latents of images: their means, and log-variances where there are any. */
  encodeMoments(images: readonly Image[]): Promise<{ mean: EncodedImage; logVariance?: EncodedImage }[]>
  /** Frees its weights. */
  [Symbol.dispose](): void
}

/** Up to so many images of a run's data, decoded: the same of the same data and seed. */
export type FirstImages = (count: number, preprocessing: ImagePreprocessing) => Promise<Image[]>

/** What a run does with models of one type. */
export interface GenerativeModelType {
  /** A config's model with the sizes that a preset stands for in its place. */
  withSizes(model: GenerativeTrainConfig['model']): object
  /** The settings that the weights of a folder decide, for a config that leaves them out; `written`: its model. */
  settingsOfWeights(
    folder: string,
    written: NonNullable<WrittenGenerativeConfig['model']>,
  ): Promise<{ model: object; objective?: Objective }>
  /** The model of a run that goes on from `folder`, see `ModelRun.continued`. */
  continued(
    config: GenerativeTrainConfig,
    folder: string,
    name: string,
  ): Promise<GenerativeTrainConfig['model'] | undefined>
  /**
   * Rejects with an Error, which begins with `name`, for settings that do not fit each other or the data; resolves with what
   * training takes at least, and the patches of an image.
   */
  check(
    config: GenerativeTrainConfig,
    name: string,
  ): Promise<Pick<LeastMemory, 'parameters' | 'weights' | 'batch'> & { readonly patches: number }>
  /** What encodes the images of a run's data. Rejects as `check`, and where the model reads images as they are. */
  encoder(config: GenerativeTrainConfig, name: string): Promise<RunEncoder>
  /** A new model, its weights random; `images`: for what it measures of the data, once. */
  create(
    config: GenerativeTrainConfig,
    tokenizer: JsonTokenizer,
    images: FirstImages,
  ): Promise<TrainedGenerativeModel>
  /** A model with the weights of a folder, which decides all that the config, as it was written, leaves out. */
  initialize(
    folder: string,
    config: GenerativeTrainConfig,
    written: WrittenGenerativeConfig,
    images: FirstImages,
  ): Promise<TrainedGenerativeModel>
  /** The model of a folder that `save` or a checkpoint wrote. */
  load(folder: string, config: GenerativeTrainConfig): Promise<TrainedGenerativeModel>
}

const types: Readonly<Record<GenerativeModelName, GenerativeModelType>> = generativeModels

/** What a run does with models of the type that a config names. */
export const generativeModelType = (model: { type: GenerativeModelName }): GenerativeModelType =>
  types[model.type]
