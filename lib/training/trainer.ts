import { join } from 'node:path'
import { checkArguments } from '../arguments.js'
import { parseConfig } from '../config/parse.js'
import { describe } from '../describe.js'
import type { DocumentStream } from '../data/document_stream.js'
import { loadWeights, type ModelParts, saveModel } from '../models/transfusion/folder.js'
import type { ParameterArena } from '../nn/arena.js'
import { RunAhead } from '../tensor/run_ahead.js'
import { BatchMaker } from '../models/transfusion/training/batches.js'
import { readTrainingState, writeTrainingState } from './checkpoint.js'
import type { CheckpointFolder } from './checkpoint_folder.js'
import { Clock } from './clock.js'
import { changedSources, openTrainingData, type TrainingData } from '../models/transfusion/training/data.js'
import { learningRateWarnings } from './learning_rate.js'
import { type TrainingOptions, trainingOptionsSchema, type TrainingSettings } from './options.js'
import type { StepReport } from './step_report.js'
import { TrainingSteps } from './steps.js'

/** What happens beside training: checkpoints, samples, reports. Where a hook throws or rejects, training ends with that. */
export interface RunHooks {
  /** Ends training after the current step. */
  signal?: AbortSignal
  /** Told of each step, once it is done; where it returns a promise, training waits for it. */
  onStep?: (report: StepReport) => void
  /** Called between steps with the averaged weights in place until it resolves; the clock stands still meanwhile. */
  every?: { steps: number; run: (step: number) => Promise<void> }
  /**
   * Where and how often to save; also at the end, when the signal aborts and when training fails. A checkpoint on the
   * way that cannot be written is left out (see `onWarning`), or with 'stop' ends training.
   */
  checkpoints?: { folder: CheckpointFolder; steps: number; onUnwritten?: 'skip' | 'stop' }
  /**
   * Told of settings that can hardly be meant, of a checkpoint that could not be written while training goes on, and of
   * data that was changed since it began.
   */
  onWarning?: (message: string) => void
}

/** Those that are trained, or restored, by one trainer. */
const inUse = new WeakSet<ParameterArena>()

/**
 * Trains a model. One trainer at a time: a second `run` or `restore` of a model on its way rejects. `save`, and the
 * model's own, may be called at any time; other uses of the model while it is trained see its weights change.
 */
export class Trainer {
  readonly #model: ModelParts
  readonly #data: TrainingData
  readonly #options: TrainingOptions
  readonly #steps: TrainingSteps
  readonly #clock = new Clock()
  #busy = false
  /** In a hook between steps. */
  #paused = false
  /** Bodies of `withAverage` on their way. */
  #borrowers = 0
  /** Whether the model had the average before them. */
  #lentBefore = false
  #disposed = false

  /** Throws a ConfigError that names what is wrong in the settings. */
  constructor(model: ModelParts, data: TrainingData, settings: TrainingSettings) {
    checkArguments('Trainer', { model: [model, 'model'], data: [data, 'trainingData'] })
    const options = parseConfig(trainingOptionsSchema, settings, 'training options')
    this.#model = model
    this.#data = data
    this.#options = options
    model.network.recomputeBlocks = options.recompute
    this.#steps = new TrainingSteps(model, options, this.#clock)
  }

  /** Steps and seconds of training done. */
  get done(): { steps: number; seconds: number } {
    return { steps: this.#steps.done, seconds: this.#clock.seconds }
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
      for (const hook of ['every', 'checkpoints'] as const)
        if (hooks[hook]) checkSteps(`${hook}.steps`, hooks[hook].steps)
      const { learningRate, steps } = this.#options
      for (const warning of learningRateWarnings(learningRate, steps)) hooks.onWarning?.(warning)
      this.#steps.begin()
      await this.#steps.lend(false)
      try {
        await this.#trainAndSave(await this.#openStream(), hooks)
      } finally {
        await this.#steps.lend(true)
      }
    })
  }

  async #trainAndSave(stream: DocumentStream, hooks: RunHooks): Promise<void> {
    try {
      await this.#train(stream, hooks)
      if (hooks.checkpoints) await this.#saveInto(hooks.checkpoints.folder)
    } catch (error) {
      const failure = this.#explained(error)
      if (hooks.checkpoints && !(error instanceof UnwrittenError))
        await this.#saveBefore(failure, hooks.checkpoints.folder)
      throw failure
    }
  }

  async #train(
    stream: DocumentStream,
    { signal, onStep, every, checkpoints, onWarning }: RunHooks,
  ): Promise<void> {
    const steps = this.#steps
    const due = (hook: { steps: number } | undefined) =>
      hook !== undefined && steps.enqueued % hook.steps === 0
    const stopped = () => signal?.aborted ?? false
    const batches = new BatchMaker(stream, this.#model, this.#options)
    const runAhead = new RunAhead()
    let dataBefore = steps.state.data
    try {
      this.#clock.start()
      // However few minutes there are, one step is taken.
      while ((steps.progress < 1 || steps.enqueued === 0) && !stopped()) {
        const batch = await batches.make(steps.enqueued)
        changedSources(dataBefore, batch.state).forEach((change) => onWarning?.(change))
        dataBefore = undefined
        const { report } = await steps.take(batch)
        await runAhead.step(report.then((done) => onStep?.(done)))
        if (!due(every) && !due(checkpoints)) continue
        await runAhead.finish()
        this.#clock.stop()
        this.#paused = true
        if (due(checkpoints) && steps.progress < 1)
          await this.#saveInto(checkpoints!.folder).catch((error: Error) => {
            if (checkpoints!.onUnwritten === 'stop') throw error
            onWarning?.(error.message)
          })
        if (due(every)) await this.withAverage(() => every!.run(steps.done))
        this.#paused = false
        this.#clock.start()
      }
      await runAhead.finish()
    } catch (error) {
      await runAhead.settle()
      await stream.close().catch(() => {})
      throw error
    } finally {
      this.#paused = false
      await steps.settle()
      this.#clock.stop()
    }
    await stream.close()
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
    if (this.#borrowers++ === 0) this.#lentBefore = steps.lent
    try {
      await steps.lend(true)
      return await body()
    } finally {
      if (--this.#borrowers === 0) await steps.lend(this.#lentBefore)
    }
  }

  /**
   * Writes all that training goes on from into a folder: the model to sample with in `model/`, the rest beside it, with
   * checksums of all. While steps are taken it is of the last one enqueued, and the next one waits until it is written.
   */
  async save(folder: string): Promise<void> {
    this.#refuseDisposed('save')
    const steps = this.#steps
    await steps.hold(async () => {
      const seal = await saveModel(join(folder, modelFolder), this.#model, 'f32', steps.average)
      await writeTrainingState(folder, steps.state, steps.tensors, { [modelConfig]: seal })
    })
  }

  /**
   * Makes training go on where `save` was called, bit for bit where it is limited by steps, whatever came before. Rejects
   * when the folder holds no such training: of another model, optimizer or average; with a DamagedFileError when it is not
   * what was saved, unless `verify` is false. Nothing is changed then.
   */
  restore(folder: string, { verify = true }: { verify?: boolean } = {}): Promise<void> {
    return this.#alone('restore', async () => {
      const stored = await readTrainingState(folder, this.#steps.tensors, verify)
      const seal = stored.checksums?.[modelConfig]
      const writeModel = await loadWeights(this.#model.network, join(folder, modelFolder), verify, seal)
      await this.#steps.restore(stored.state, writeModel, (tensors) => stored.write(tensors))
    })
  }

  #openStream(): DocumentStream | Promise<DocumentStream> {
    const { seed, batchTokens, accumulate } = this.#options
    const { data } = this.#steps.state
    const longest = batchTokens && Math.floor(batchTokens / accumulate)
    const start = { seed, ...(data && { state: data }), ...(longest && { longest }) }
    return openTrainingData(this.#data, this.#model, start)
  }

  /** Runs what no other run or restore may come between. */
  async #alone(name: 'run' | 'restore', body: () => Promise<void>): Promise<void> {
    const { arena } = this.#model.network
    this.#refuseDisposed(name)
    const refuse = (reason: string) => {
      throw new Error(`Trainer.${name}: ${reason}`)
    }
    if (arena.freed) refuse('the model was disposed')
    if (this.#busy) refuse('the trainer is at work: await its run or restore first')
    if (inUse.has(arena)) refuse('another trainer is training this model: await its run first')
    if (this.#borrowers > 0) refuse('the averaged weights are in use: await withAverage first')
    this.#busy = true
    inUse.add(arena)
    try {
      await body()
    } finally {
      this.#busy = false
      inUse.delete(arena)
    }
  }

  #refuseDisposed(method: string): void {
    if (this.#disposed) throw new Error(`Trainer.${method}: the trainer was disposed`)
  }

  /** What has ended a run, where its error does not say so. */
  #explained(error: unknown): unknown {
    const gone = this.#disposed ? 'trainer' : this.#model.network.arena.freed ? 'model' : undefined
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
      throw new UnwrittenError(
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

function checkSteps(name: string, steps: number): void {
  // Infinity: never on the way.
  if (!(steps >= 1 && (Number.isSafeInteger(steps) || steps === Infinity)))
    throw new RangeError(
      `Trainer.run: ${name}: expected an integer of at least 1, or Infinity, received ${describe(steps)}`,
    )
}

const modelFolder = 'model'
const modelConfig = 'model/config.json'

/** A checkpoint that could not be written. */
class UnwrittenError extends Error {}
