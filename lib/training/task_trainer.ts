import { checkArguments, checkOptions } from '../arguments.js'
import { parseConfig } from '../config/parse.js'
import type { ParameterArena } from '../nn/arena.js'
import type { Device } from '../tensor/device.js'
import { InFlightLimit } from '../tensor/in_flight_limit.js'
import type { ProductChoices } from '../tensor/product_choices.js'
import type { CheckpointFolder } from './checkpoint_folder.js'
import { Clock } from './clock.js'
import { learningRateWarnings } from './learning_rate.js'
import { groupSchedule } from './parameter_groups.js'
import { type TrainingOptions, trainingOptionsSchema, type TrainingSettings } from './options.js'
import { checkHooks, type RunHooks } from './run_hooks.js'
import { TrainingSteps } from './steps.js'
import type { BatchSource, TaskCheckpoint, TrainingTask } from './task.js'
import { restoreCheckpoint, saveCheckpoint } from './task_checkpoint.js'

/** The arenas that a trainer trains or restores at present. */
const inUse = new WeakSet<ParameterArena>()

/**
 * Trains the model of a task. One trainer at a time: a second `run` or `restore` of a model on its way rejects. `save`, and
 * the model's own, may be called at any time; other uses of the model while it is trained see its weights change.
 */
export class TaskTrainer {
  readonly #task: TrainingTask
  readonly #options: TrainingOptions
  readonly #steps: TrainingSteps
  readonly #clock = new Clock()
  #busy = false
  /** In a hook between steps. */
  #paused = false
  /** Calls of `withAverage` whose body is running. */
  #averageUsers = 0
  /** Whether the model had the average before the first of them. */
  #averageBefore = false
  #disposed = false

  /** Throws a ConfigError that names what is wrong in the settings. */
  constructor(task: TrainingTask, settings: TrainingSettings) {
    checkArguments('TaskTrainer', { task: [task, 'object'], 'task.arena': [task?.arena, 'arena'] })
    const options = parseConfig(trainingOptionsSchema, settings, 'training options')
    this.#task = task
    this.#options = options
    this.#steps = new TrainingSteps(task, options, this.#clock)
  }

  /** Where the model lies and is trained. */
  get device(): Device {
    return this.#task.arena.device
  }

  /** Steps and seconds of training done. */
  get done(): { steps: number; seconds: number } {
    return { steps: this.#steps.done, seconds: this.#clock.seconds }
  }

  /**
   * How the products of the steps so far were computed on a GPU, with their calls; nothing before the first, on the CPU, and
   * where `products` is 'own'. @internal
   */
  get products(): ReturnType<ProductChoices['list']> {
    return this.#steps.products?.list() ?? []
  }

  /**
   * Trains to the limit, or to the end of the step in which the signal aborts. The model then has the averaged
   * weights; another run goes on from its own. Rejects when a document cannot be read, memory is out, or a gradient is not
   * finite, and the options say to stop there; with checkpoints, what was reached is saved before. Another run then goes on
   * from the last step done, as if nothing had been: where that cannot be, it rejects and says so. Rejects when the last
   * checkpoint cannot be written, and names the one to go on from.
   */
  run(hooks: RunHooks = {}): Promise<void> {
    return this.#alone('run', async () => {
      checkHooks(hooks)
      const { learningRate, groups, steps } = this.#options
      for (const warning of learningRateWarnings(learningRate, steps)) hooks.onWarning?.(warning)
      for (const [i, group] of groups.entries())
        for (const warning of learningRateWarnings(groupSchedule(group, learningRate), steps))
          hooks.onWarning?.(`groups[${i}].${warning}`)
      await this.#steps.begin((warning) => hooks.onWarning?.(warning))
      await this.#steps.swapAverage(false)
      try {
        await this.#trainAndSave(await this.#begin(hooks), hooks)
      } finally {
        await this.#steps.swapAverage(true)
      }
    })
  }

  /** Begins a run of the task where the last step left its data. */
  async #begin({ onWarning }: RunHooks): Promise<BatchSource<unknown, unknown>> {
    const { seed, gradientAccumulation } = this.#options
    const dataState = this.#steps.state.data
    return this.#task.begin({
      seed,
      gradientAccumulation,
      dataState,
      onWarning: (message) => onWarning?.(message),
    })
  }

  async #trainAndSave(batches: BatchSource<unknown, unknown>, hooks: RunHooks): Promise<void> {
    try {
      await this.#train(batches, hooks)
      if (hooks.checkpoints) await this.#saveInto(hooks.checkpoints.folder)
    } catch (error) {
      const failure = this.#explained(error)
      if (hooks.checkpoints && !(error instanceof SaveError))
        await this.#saveBefore(failure, hooks.checkpoints.folder)
      throw failure
    }
  }

  async #train(
    batches: BatchSource<unknown, unknown>,
    { signal, onStep, every, checkpoints, onWarning }: RunHooks,
  ): Promise<void> {
    const steps = this.#steps
    const due = (hook: { steps: number } | undefined) =>
      hook !== undefined && steps.enqueued % hook.steps === 0
    const stopped = () => signal?.aborted ?? false
    const inFlight = new InFlightLimit()
    try {
      this.#clock.start()
      // However few minutes there are, one step is taken.
      while ((steps.progress < 1 || steps.enqueued === 0) && !stopped()) {
        const { report } = await steps.take(await batches.next(steps.enqueued))
        await inFlight.step(report.then((done) => onStep?.(done)))
        if (!due(every) && !due(checkpoints)) continue
        await inFlight.finish()
        this.#clock.stop()
        this.#paused = true
        if (due(checkpoints) && steps.progress < 1)
          await this.#saveInto(checkpoints!.folder).catch((error: Error) => {
            if (checkpoints!.onSaveError === 'stop') throw error
            onWarning?.(error.message)
          })
        if (due(every)) await this.withAverage(() => every!.run(steps.done))
        this.#paused = false
        this.#clock.start()
      }
      await inFlight.finish()
    } catch (error) {
      await inFlight.settle()
      await batches.close?.().catch(() => {})
      throw error
    } finally {
      this.#paused = false
      await steps.settle()
      this.#clock.stop()
    }
    await batches.close?.()
  }

  /**
   * Runs `body` on the averaged weights. Rejects while steps are taken: the hook `every` is called with these weights
   * in place.
   */
  async withAverage<R>(body: () => Promise<R>): Promise<R> {
    this.#refuseDisposed('withAverage')
    if (this.#busy && !this.#paused)
      throw new Error('Trainer.withAverage: training is under way; its hook `every` has the averaged weights')
    const steps = this.#steps
    if (this.#averageUsers++ === 0) this.#averageBefore = steps.averageSwappedIn
    try {
      await steps.swapAverage(true)
      return await body()
    } finally {
      if (--this.#averageUsers === 0) await steps.swapAverage(this.#averageBefore)
    }
  }

  /**
   * Writes all that training goes on from into a folder: the model to sample with in `model/`, the rest beside it, with
   * checksums of all. While steps are taken it is of the last one enqueued, and the next one waits until it is written.
   */
  async save(folder: string): Promise<void> {
    this.#refuseDisposed('save')
    const checkpoint = this.#checkpoint('save')
    await this.#steps.hold(() => saveCheckpoint(folder, checkpoint, this.#steps))
  }

  /**
   * Makes training go on where `save` was called, bit for bit where it is limited by steps, whatever came before. Rejects
   * when the folder holds no such training: of another model, optimizer or average; with a DamagedFileError when it is not
   * what was saved, unless `verify` is false. Nothing is changed then.
   */
  restore(folder: string, options: { verify?: boolean } = {}): Promise<void> {
    return this.#alone('restore', () => {
      checkOptions('Trainer.restore', options, { verify: true })
      const { verify = true } = options
      return restoreCheckpoint(folder, this.#checkpoint('restore'), this.#steps, verify)
    })
  }

  #checkpoint(method: string): TaskCheckpoint<unknown> {
    if (this.#task.checkpoint) return this.#task.checkpoint
    throw new Error(`Trainer.${method}: task must have a checkpoint to be saved and restored, received none`)
  }

  /** Runs what no other run or restore may come between. */
  async #alone(name: 'run' | 'restore', body: () => Promise<void>): Promise<void> {
    const { arena, companions = [] } = this.#task
    const arenas = [arena, ...companions.map(({ arena }) => arena)]
    this.#refuseDisposed(name)
    const refuse = (reason: string) => {
      throw new Error(`Trainer.${name}: ${reason}`)
    }
    if (arena.freed) refuse('the model was disposed')
    const gone = companions.find(({ arena }) => arena.freed)
    if (gone) refuse(`${gone.name}, which is trained with the model, was disposed`)
    if (this.#busy) refuse('the trainer is at work: await its run or restore first')
    if (arenas.some((each) => inUse.has(each)))
      refuse('another trainer is training this model: await its run first')
    if (this.#averageUsers > 0) refuse('the averaged weights are in use: await withAverage first')
    this.#busy = true
    arenas.forEach((each) => inUse.add(each))
    try {
      await body()
    } finally {
      this.#busy = false
      arenas.forEach((each) => inUse.delete(each))
    }
  }

  #refuseDisposed(method: string): void {
    if (this.#disposed) throw new Error(`Trainer.${method}: the trainer was disposed`)
  }

  /** What has ended a run, where its error does not say so. */
  #explained(error: unknown): unknown {
    const gone = this.#disposed ? 'trainer' : this.#task.arena.freed ? 'model' : undefined
    if (!gone) return error
    return new Error(`Trainer.run: the ${gone} was disposed while it ran: await run() first`, {
      cause: error,
    })
  }

  /** After a failure: saves what was reached, unless that fails too, which must not hide the first error. */
  async #saveBefore(failure: unknown, folder: CheckpointFolder): Promise<void> {
    try {
      await this.#saveInto(folder)
    } catch (error) {
      if (failure instanceof Error) failure.message += `; besides, ${(error as Error).message}`
    }
  }

  async #saveInto(folder: CheckpointFolder): Promise<void> {
    try {
      await folder.add(this.#steps.done, (path) => this.save(path))
    } catch (error) {
      const latest = await folder.latest().catch(() => undefined)
      throw new SaveError(
        `step ${this.#steps.done} was not saved: ${(error as Error).message}; ` +
          (latest ? `${latest} is there to go on from` : 'there is no checkpoint yet'),
        { cause: error },
      )
    }
  }

  /** Frees the optimizer and the average; the model stays. */
  [Symbol.dispose](): void {
    this.#disposed = true
    this.#steps[Symbol.dispose]()
  }
}

/** A checkpoint that could not be written. */
class SaveError extends Error {}
