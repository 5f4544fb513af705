/** What a run needs of a model; lib/models/registry.ts has what fits it, by type. */
import type { Objective } from '../diffusion/objective.js'
import type { DocumentStream, StreamState } from '../data/document_stream.js'
import type { StreamOptions } from '../data/stream/open_stream.js'
import type { Checksums } from '../files/checksum.js'
import type { EncodedImage, Image } from '../image/image.js'
import type { ImagePreprocessing } from '../image/image_preprocessing.js'
import type { LatentScale } from '../image/latent_scale.js'
import type { GenerativeModel } from '../generation/model.js'
import { defaultModelType, type ModelType, runModels } from '../models/registry.js'
import type { ComputeType } from '../nn/arena.js'
import type { Device } from '../tensor/device.js'
import type { TaskTrainer } from '../training/task_trainer.js'
import type { JsonTokenizer } from '../tokenizer/tokenizer.js'
import type { TrainConfig, WrittenTrainConfig } from './train_config.js'

/** Opens the stream of documents that a run trains on, at the beginning or where an earlier one has ended. */
export type OpenTrainingStream = (start: {
  /** The order of documents follows from it. */
  readonly seed: number
  /** As an earlier stream gave it. */
  readonly state?: StreamState
  /** The most positions that a document may have. */
  readonly longest?: number
}) => DocumentStream | Promise<DocumentStream>

/** A model that a run trains, whatever its type. */
export interface RunModel {
  /** What the run's samples are generated with. */
  readonly generative: GenerativeModel
  readonly parameterCount: number
  /** The model's sizes in one line. */
  readonly sizes: string
  /** A line for each setting with which the model is expected to learn badly. */
  readonly advice: readonly string[]
  /** How documents are preprocessed for the model. */
  readonly streamOptions: Pick<StreamOptions, 'tokenizer' | 'image' | 'positionsOf'>
  trainer(open: OpenTrainingStream, options: TrainConfig['training']): TaskTrainer
  /** Writes the model's folder. */
  save(folder: string): Promise<void>
  /** Frees the weights. */
  [Symbol.dispose](): void
}

/** Bytes that training takes at least, and what they are of. */
export interface LeastMemory {
  readonly parameters: number
  /** Patches, or positions, of an image. */
  readonly patches: number
  /** Of the parameters, their gradients, the optimizer's state and the average. */
  readonly weights: number
  /** Of what a batch keeps for its backward pass. */
  readonly batch: number
}

/** What encodes images once, where each step of a run would. */
export interface RunEncoder {
  /** Of the files that it was read from, by their names. */
  readonly checksums: Checksums
  /** Values of a position. */
  readonly channels: number
  /** Pixels for each position, along each side. */
  readonly downscale: number
  /** Between what it gives and what the model reads. */
  readonly scale: LatentScale
  /** How images are decoded for it. */
  readonly preprocessing: ImagePreprocessing
  /** The latents of images: their means, and log-variances where there are any. */
  encodeMoments(images: readonly Image[]): Promise<{ mean: EncodedImage; logVariance?: EncodedImage }[]>
  /** Frees its weights. */
  [Symbol.dispose](): void
}

/** What a run does with models of one type. */
export interface RunModelType {
  /** A config's model with the sizes that a preset stands for in its place. */
  withSizes(model: TrainConfig['model']): object
  /** The settings that the weights of a folder decide, for a config that leaves them out; `written`: its model. */
  settingsOfWeights(
    folder: string,
    written: NonNullable<WrittenTrainConfig['model']>,
  ): Promise<{ model: object; objective?: Objective }>
  /**
   * The settings of a run that goes on from `folder`, which `save` or a checkpoint wrote: what that has of its own, such as an
   * autoencoder, need not lie any more where the config says. Undefined where the folder cannot be read; rejects where what
   * lies there is another one. Absent where a model has nothing of the kind.
   */
  continued?(config: TrainConfig, folder: string, name: string): Promise<TrainConfig['model'] | undefined>
  /**
   * Rejects with an Error, which begins with `name`, for settings that do not fit each other or the data; resolves with what
   * training takes at least.
   */
  check(config: TrainConfig, name: string): Promise<LeastMemory>
  /** What encodes the images of a run's data. Rejects as `check`, and where the model reads images as they are. */
  encoder(config: TrainConfig, name: string): Promise<RunEncoder>
  /** A new model, its weights random. */
  create(config: TrainConfig, tokenizer: JsonTokenizer): Promise<RunModel>
  /** A model with the weights of a folder, which decides all that the config, as it was written, leaves out. */
  initialize(folder: string, config: TrainConfig, written: WrittenTrainConfig): Promise<RunModel>
  /** The model of a folder that `save` or a checkpoint wrote. */
  load(folder: string, options: { compute: ComputeType; device: Device }): Promise<RunModel>
}

const types: Readonly<Record<ModelType, RunModelType>> = runModels

/** What a run does with models of the type that a config names. */
export const runModelType = (model: { type: ModelType }): RunModelType => types[model.type]

/** The same for a config as it was written, in which the type may be left out; undefined for an unknown type. */
export function writtenModelType(model: unknown): RunModelType | undefined {
  const type = (model as { type?: string } | undefined)?.type ?? defaultModelType
  return Object.hasOwn(types, type) ? types[type as ModelType] : undefined
}
