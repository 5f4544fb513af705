/** What a model gives to be trained: the trainer knows this, and no model. */
import type { z } from 'zod'
import type { Checksums } from '../files/checksum.js'
import type { ParameterArena } from '../nn/arena.js'
import type { Tensor } from '../tensor/tensor.js'
import type { OptimizerSettings } from './optimizer.js'
import type { ParameterKinds } from './parameter_groups.js'

/**
 * A model and its data, as a trainer drives them. The trainer hands a task only what it got from that task, so it leaves
 * the types open; who writes a task names them.
 * `MicroBatch`: what one forward and backward pass is computed on. `DataState`: where the data stands, as JSON.
 */
export interface TrainingTask<MicroBatch = unknown, DataState = unknown> {
  /** The parameters that are trained. */
  readonly arena: ParameterArena
  /** Which of them are the text's and the images', in models that have both: for groups of parameters. */
  readonly parameterKinds?: ParameterKinds
  /** Networks that the same steps train beside the model, each on a loss of its own: a discriminator, say. */
  readonly companions?: readonly Companion[]
  /**
   * Tensors of f32 or i32 that steps go on from besides parameters, by name: counts of how often codes were used, say. They
   * are kept in checkpoints, and changed by `afterUpdate` alone.
   */
  readonly state?: ReadonlyMap<string, Tensor>

  /** Begins a run of steps: configures the model for it and opens the data. */
  begin(
    start: RunStart<DataState>,
  ): BatchSource<MicroBatch, DataState> | Promise<BatchSource<MicroBatch, DataState>>

  /**
   * The loss of a micro-batch, on the tape. Called in a scope, which frees all but what is returned, with the arena's
   * device as the default.
   */
  loss(microBatch: MicroBatch): TaskLoss

  /**
   * Changes `state`, the values of parameters after the optimizers have updated them, and their average; called within each
   * step's update, in a scope, with ops not recorded. What it enqueues must leave all as it is where `taken` is 0. Where it
   * throws, for want of memory say, weights are of no step until a checkpoint is restored: what it needs is best made in `loss`,
   * as `observed`.
   */
  afterUpdate?(step: UpdatedStep): void

  /** How checkpoints keep the model and the state of its data; a task without cannot be saved or restored. */
  readonly checkpoint?: TaskCheckpoint<DataState>
}

/** A network that steps train beside the model; its gradients and those of the model are of the same weights. */
export interface Companion {
  /** By which losses, reports and checkpoints know it: letters, digits, `_` and `-`. */
  readonly name: string
  /** Its parameters, on the model's device. Checkpoints keep them and the optimizer's state, beside the model's folder. */
  readonly arena: ParameterArena
  /** What updates it; by default AdamW, as of the training options. */
  readonly optimizer?: OptimizerSettings
  /** Its learning rate as a factor of the run's; 1 by default. */
  readonly learningRate?: number
}

/** A step whose update is enqueued, as {@link TrainingTask.afterUpdate} is told of it. */
export interface UpdatedStep {
  /** f32 [1]: 1 where the step is taken; 0 where a gradient is not finite, so that all parameters are as they were. */
  readonly taken: Tensor
  /** What the step's losses have returned as `observed`, in the order of its micro-batches. */
  readonly observed: readonly Readonly<Record<string, Tensor>>[]
  /** f32 [elements]: the moving average of the arena's values, without this step's; undefined: none is kept. */
  readonly average: Tensor | undefined
}

/** Where and how a run of steps begins. */
export interface RunStart<DataState> {
  /** The order of the data and all that is random in batches follow from it. */
  readonly seed: number
  /** Micro-batches that a step's batch is to be cut into. */
  readonly gradientAccumulation: number
  /** That of the last step taken; undefined: at the beginning. */
  readonly dataState: DataState | undefined
  /** Told of what a user should know, data that was changed since the last run say. */
  readonly onWarning: (message: string) => void
}

/** Gives the batches of a run, one step after the other. */
export interface BatchSource<MicroBatch, DataState> {
  /**
   * The batch of a step, from 0. What is random in it must depend on a seed and the step alone, so that a run resumes at
   * any step as if it had not been stopped.
   */
  next(step: number): StepBatch<MicroBatch, DataState> | Promise<StepBatch<MicroBatch, DataState>>
  /** Ends its workers and closes its files, where it has any. */
  close?(): Promise<void>
}

/** What one step of the optimizer is trained on. */
export interface StepBatch<MicroBatch, DataState> {
  /** Computed one after the other, their gradients summed. */
  readonly microBatches: readonly MicroBatch[]
  /** Of all of them together. */
  readonly statistics: BatchStatistics
  /** Where the data stands after it, for the next run's `RunStart`. */
  readonly dataState: DataState
}

/** What a batch is in numbers, for reports. */
export interface BatchStatistics {
  /** Amounts by any names, of positions and images say: reports add them up, and give their rates. */
  readonly counts: Readonly<Record<string, number>>
  /** Floating-point operations of the matrix products of its step, forward and backward; absent: not counted. */
  readonly flops?: number
  /** Documents that could not be read, since training began; absent: none can be. */
  readonly skippedDocuments?: number
}

/** A loss of one micro-batch. Each loss and term is one element, and a share of the whole step's: shares add up to it. */
export interface TaskLoss {
  /** What is differentiated for the model's parameters. */
  readonly total: Tensor
  /**
   * What is differentiated for each companion's parameters, by its name, after `total`: it depends on no other parameters,
   * and `total` on none of the companion's. A companion that no micro-batch of a step has a loss for is not updated in it.
   */
  readonly companions?: Readonly<Record<string, Tensor>>
  /** What is reported, by any names; a term that this micro-batch has nothing of is absent. */
  readonly terms: Readonly<Record<string, Tensor>>
  /** Tensors of any shapes for `afterUpdate`, by name, on no tape. */
  readonly observed?: Readonly<Record<string, Tensor>>
}

/** How a task's model and data states are kept in checkpoints. */
export interface TaskCheckpoint<DataState> {
  /** Checks what a checkpoint holds of the data. */
  readonly dataState: z.ZodType<DataState>
  /**
   * Writes the model into a folder, as it is loaded from to be used. `weights`: f32 [elements], written in place of the
   * arena's values. Resolves with checksums that, kept elsewhere, tell whether the folder is of this save.
   */
  save(folder: string, weights: Tensor | undefined): Promise<Checksums>
  /**
   * Reads the model's folder; the function that it resolves with writes the weights into the arena. Rejects where the
   * folder does not fit the model, or is not what was saved. `checksums`: those that `save` resolved with, where known.
   */
  load(folder: string, options: LoadOptions): Promise<() => Promise<void>>
}

/** How a checkpoint's model is read. */
export interface LoadOptions {
  /** What `save` resolved with; undefined: not known. */
  readonly checksums: Checksums | undefined
  /** False: files are read as they are. */
  readonly verify: boolean
}
