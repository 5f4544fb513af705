/** What a run needs of its model, whatever that is. */
import type { StreamOptions, WeightedSource } from '../data/stream/open_stream.js'
import type { CaptionPolicy, UnreadableDocument } from '../data/sources/document_source.js'
import type { DocumentStream, StreamState } from '../data/document_stream.js'
import type { RecordedSheet } from '../reporting/run_recorder.js'
import type { TrainingSettings } from '../training/options.js'
import type { TaskTrainer } from '../training/task_trainer.js'
import type { BpeProgress } from '../tokenizer/bpe/train_tokenizer.js'
import type { TrainConfig } from './train_config.js'

/** Opens the stream of documents that a run trains on, at the beginning or where an earlier one has ended. */
export type OpenTrainingStream = (start: {
  /** The order of documents follows from it. */
  readonly seed: number
  /** As an earlier stream gave it. */
  readonly state?: StreamState
  /** The most positions that a document may have. */
  readonly longest?: number
}) => DocumentStream | Promise<DocumentStream>

/** How documents are preprocessed for a model. */
export type ModelStreamOptions = Pick<StreamOptions, 'tokenizer' | 'image' | 'positionsOf'>

/** What a run reads. */
export interface RunData {
  readonly sources: readonly WeightedSource[]
  /** Told of documents that are left out. */
  readonly onSkip: (document: UnreadableDocument) => void
}

/** What is told while a model is made. */
export interface CreationHooks {
  /** Called while a BPE tokenizer is trained for the run. */
  readonly onTokenizerProgress?: ((progress: BpeProgress) => void) | undefined
}

/** Settings of training that a caller replaces. */
export type TrainingChanges = Pick<TrainingSettings, 'steps' | 'minutes' | 'products'>

/** Draws the sheet of a step with the model as it is; undefined where there is nothing to show, or the signal aborts. */
export type DrawSheet = (step: number, signal: AbortSignal | undefined) => Promise<RecordedSheet | undefined>

/** A model that a run trains, whatever its type. */
export interface RunModel {
  readonly parameterCount: number
  /** The model's sizes in one line. */
  readonly sizes: string
  /** A line for each setting with which the model is expected to learn badly. */
  readonly advice: readonly string[]
  /** Trains the model as the config says, but for `changes`. */
  trainer(data: RunData, changes?: TrainingChanges): TaskTrainer
  /** Rejects with an Error, which begins with `name`, the config's, for samples that the model cannot make. */
  checkSamples(name: string): Promise<void>
  /** Chooses what the run's sheets show; the same for the same data. */
  sheets(data: RunData, onWarning: (line: string) => void): Promise<DrawSheet>
  /** Writes the model's folder once it is trained. */
  save(folder: string, data: RunData): Promise<void>
  /** Frees the weights. */
  [Symbol.dispose](): void
}

/** Bytes that training takes at least, and what they are of. */
export interface LeastMemory {
  readonly parameters: number
  /** Of the parameters, their gradients, the optimizer's state and the average, and of networks beside the model. */
  readonly weights: number
  /** Which networks those are; absent: none. */
  readonly beside?: readonly string[]
  /** Of what a batch keeps for its backward pass. */
  readonly batch: number
  /** What the batch is of: "images of 256 patches each". */
  readonly batchOf: string
  /** What makes it smaller. */
  readonly remedies: string
}

/** A run as its config says: what depends on the model's type. */
export interface ModelRun {
  /** What becomes of images without a caption. */
  readonly captions: CaptionPolicy
  /** The config's model with the sizes that a preset stands for in its place. */
  readonly withSizes: object
  /**
   * The config of a run that goes on from `folder`, which `save` or a checkpoint wrote: what that has of its own, such as an
   * autoencoder, need not lie any more where the config says. Undefined where the folder cannot be read; rejects where what
   * lies there is another one.
   */
  continued(folder: string, name: string): Promise<TrainConfig | undefined>
  /**
   * Rejects with an Error, which begins with `name`, for settings that do not fit each other or the data; resolves with what
   * training takes at least.
   */
  check(name: string): Promise<LeastMemory>
  /** A new model, its weights random. */
  create(data: RunData, hooks?: CreationHooks): Promise<RunModel>
  /** A model with the weights of a folder, which decides all that the config, as it was `written`, leaves out. */
  initialize(folder: string, written: unknown, data: RunData): Promise<RunModel>
  /** The model of a folder that `save` or a checkpoint wrote. */
  load(folder: string): Promise<RunModel>
}
