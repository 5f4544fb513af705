import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { checkArguments } from '../arguments.js'
import { backward } from '../autograd/tape.js'
import { parseConfig } from '../config.js'
import type { DocumentStream, StreamState } from '../data/document_stream.js'
import { loadWeights, type ModelParts, saveModel } from '../models/transfusion/folder.js'
import {
  type Denominators,
  type TrainingBatch,
  type TransfusionLoss,
  transfusionLoss,
} from '../models/transfusion/loss.js'
import { RunAhead } from '../tensor/run_ahead.js'
import { scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import { BatchMaker, type StepBatch, workOf } from './batches.js'
import { readTrainingState, type TrainingState, writeTrainingState } from './checkpoint.js'
import type { CheckpointFolder } from './checkpoint_folder.js'
import { Clock } from './clock.js'
import { openTrainingData, type TrainingData } from './data.js'
import { Ema } from './ema.js'
import { GradientSpikes } from './gradient_spikes.js'
import { learningRateAt } from './learning_rate.js'
import { createOptimizer } from './optimizer.js'
import type { Optimizer } from './optimizer_step.js'
import { type TrainingOptions, trainingOptionsSchema, type TrainingSettings } from './options.js'
import { readAndFree, sumOf } from './read_losses.js'
import { SkippedSteps } from './skipped_steps.js'
import type { BatchWork, StepReport } from './step_report.js'

/** What happens beside training: checkpoints, samples, reports. */
export interface RunHooks {
  /** Ends training after the current step. */
  signal?: AbortSignal
  /** Told of each step, once it is done. */
  onStep?: (report: StepReport) => void
  /** Called between steps with the averaged weights in place; the clock stands still meanwhile. */
  every?: { steps: number; run: (step: number) => Promise<void> }
  /**
   * Where and how often to save; also at the end, when the signal aborts and when training fails. A checkpoint on the
   * way that cannot be written is left out (see `onWarning`), or with 'stop' ends training.
   */
  checkpoints?: { folder: CheckpointFolder; steps: number; onUnwritten?: 'skip' | 'stop' }
  /** Told of a checkpoint that could not be written while training goes on. */
  onWarning?: (message: string) => void
}

/** Trains a model. */
export class Trainer {
  readonly #model: ModelParts
  readonly #data: TrainingData
  readonly #options: TrainingOptions
  readonly #optimizer: Optimizer
  readonly #ema: Ema | undefined
  readonly #clock = new Clock()
  #step = 0
  #skipped: SkippedSteps
  #spikes: GradientSpikes
  #dataState: StreamState | undefined

  /** Throws a ConfigError that names what is wrong in the settings. */
  constructor(model: ModelParts, data: TrainingData, settings: TrainingSettings) {
    checkArguments('Trainer', { model: [model, 'model'], data: [data, 'trainingData'] })
    const options = parseConfig(trainingOptionsSchema, settings, 'training options')
    this.#model = model
    this.#data = data
    this.#options = options
    model.network.recomputeBlocks = options.recompute
    this.#optimizer = createOptimizer(model.network.arena, options.optimizer)
    this.#ema = options.ema > 0 ? new Ema(model.network.arena, options.ema) : undefined
    this.#spikes = new GradientSpikes(options.spikeFactor)
    this.#skipped = new SkippedSteps(options.onNonFinite)
  }

  /** Steps and seconds of training done. */
  get done(): { steps: number; seconds: number } {
    return { steps: this.#step, seconds: this.#clock.seconds }
  }

  /**
   * Trains to the limit, or to the end of the step in which the signal aborts. The model then has the averaged
   * weights; another run goes on from its own. Rejects when a document cannot be read, or a gradient is not finite,
   * and the options say to stop there; with checkpoints, what was reached is saved before. Rejects when the last
   * checkpoint cannot be written, and names the one to go on from.
   */
  async run(hooks: RunHooks = {}): Promise<void> {
    if (this.#ema?.lent) this.#ema.swap()
    const stream = await this.#openStream()
    const runAhead = new RunAhead()
    try {
      await this.#train(new BatchMaker(stream, this.#model, this.#options), runAhead, hooks)
    } catch (error) {
      await runAhead.settle()
      if (hooks.checkpoints && !(error instanceof UnwrittenError))
        await this.#saveBefore(error, hooks.checkpoints.folder)
      throw error
    } finally {
      this.#clock.stop()
      await stream.close()
    }
    if (hooks.checkpoints) await this.#saveInto(hooks.checkpoints.folder)
    this.#ema?.swap()
  }

  async #train(
    batches: BatchMaker,
    runAhead: RunAhead,
    { signal, onStep, every, checkpoints, onWarning }: RunHooks,
  ): Promise<void> {
    const due = (hook: { steps: number } | undefined) => hook !== undefined && this.#step % hook.steps === 0
    const stopped = () => signal?.aborted ?? false
    this.#clock.start()
    while (this.#progress < 1 && !stopped()) {
      const batch = await batches.make(this.#step)
      const { report } = await this.#enqueue(batch)
      await runAhead.step(report.then((done) => onStep?.(done)))
      if (!due(every) && !due(checkpoints)) continue
      await runAhead.finish()
      this.#clock.stop()
      if (due(checkpoints) && this.#progress < 1)
        await this.#saveInto(checkpoints!.folder).catch((error: Error) => {
          if (checkpoints!.onUnwritten === 'stop') throw error
          onWarning?.(error.message)
        })
      if (due(every)) await this.withAverage(() => every!.run(this.#step))
      this.#clock.start()
    }
    await runAhead.finish()
  }

  /** Runs `body` on the averaged weights. */
  withAverage<R>(body: () => Promise<R>): Promise<R> {
    return this.#ema && !this.#ema.lent ? this.#ema.using(body) : body()
  }

  /**
   * Writes all that training goes on from into a folder: the model to sample with in `model/`, the rest beside it.
   * Between steps; `run` does it by itself with `checkpoints`.
   */
  async save(folder: string): Promise<void> {
    const state: TrainingState = {
      step: this.#step,
      seconds: this.#clock.seconds,
      skippedSteps: this.#skipped.count,
      gradientNorms: this.#spikes.state,
      ...(this.#dataState && { data: this.#dataState }),
    }
    await writeTrainingState(folder, state, this.#tensors())
    await this.withAverage(() => saveModel(join(folder, 'model'), this.#model))
  }

  /**
   * Makes training go on where `save` was called, bit for bit where it is limited by steps. Rejects when the folder
   * holds no such training: of another model, optimizer or average.
   */
  async restore(folder: string): Promise<void> {
    if (this.#ema && !this.#ema.lent) this.#ema.swap()
    await loadWeights(this.#model.network, join(folder, 'model'))
    // The average is loaded; the weights themselves follow.
    this.#ema?.swap()
    const state = await readTrainingState(folder, this.#tensors())
    this.#model.network.arena.updated()
    this.#step = state.step
    this.#clock.seconds = state.seconds
    this.#skipped = new SkippedSteps(this.#options.onNonFinite, state.skippedSteps)
    this.#spikes = new GradientSpikes(this.#options.spikeFactor, state.gradientNorms)
    this.#dataState = state.data
  }

  #openStream(): DocumentStream | Promise<DocumentStream> {
    const { seed, batchTokens, accumulate } = this.#options
    const longest = batchTokens && Math.floor(batchTokens / accumulate)
    const start = { seed, ...(this.#dataState && { state: this.#dataState }), ...(longest && { longest }) }
    return openTrainingData(this.#data, this.#model, start)
  }

  get #progress(): number {
    const { steps, minutes } = this.#options
    return steps === undefined ? this.#clock.seconds / (minutes! * 60) : this.#step / steps
  }

  /**
   * Enqueues one step; `report` resolves once the device has done it. Between the passes it lets the event loop turn:
   * each is milliseconds of JavaScript.
   */
  async #enqueue(batch: StepBatch): Promise<{ report: Promise<StepReport> }> {
    const { parts, denominators, state } = batch
    const losses: Losses[] = []
    try {
      for (const part of parts) losses.push(await this.#addGradients(part, denominators))
    } catch (error) {
      for (const { lm, diffusion } of losses) for (const tensor of [lm, diffusion]) tensor?.free()
      throw error
    }
    const learningRate = learningRateAt(this.#options.learningRate, this.#step, this.#progress)
    const clip = scope(() => {
      const clip = this.#optimizer.step(learningRate)
      this.#ema?.update()
      return clip
    })
    this.#step++
    this.#dataState = state
    const step = this.#step
    const work = workOf(batch, this.#model.network.config)
    return { report: this.#report(step, this.#progress, learningRate, losses, clip, work) }
  }

  async #report(
    step: number,
    progress: number,
    learningRate: number,
    losses: readonly Losses[],
    clip: Tensor,
    work: BatchWork,
  ): Promise<StepReport> {
    const [lm, diffusion, clipped] = await Promise.all([
      sumOf(losses.map((loss) => loss.lm)),
      sumOf(losses.map((loss) => loss.diffusion)),
      readAndFree(clip),
    ])
    const [gradientNorm, , taken] = clipped as unknown as [number, number, number]
    const applied = taken === 1
    this.#skipped.add({ step, applied, gradientNorm, lm, diffusion })
    return {
      step,
      progress,
      lm,
      diffusion,
      gradientNorm,
      applied,
      gradientSpike: this.#spikes.add(gradientNorm),
      learningRate,
      ...work,
      skippedSteps: this.#skipped.count,
      seconds: this.#clock.seconds,
    }
  }

  /** Adds a part's gradients; its losses, which the caller owns, are shares of the whole batch's. */
  async #addGradients(part: TrainingBatch, denominators: Denominators): Promise<Losses> {
    await setImmediate()
    const { network } = this.#model
    const { total, lm, diffusion } = scope(() => {
      const { hidden: _hidden, ...losses } = transfusionLoss(network, part, this.#options, denominators)
      return losses
    })
    try {
      await setImmediate()
      scope(() => backward(total))
    } catch (error) {
      lm?.free()
      diffusion?.free()
      throw error
    } finally {
      // A part without images has no other loss.
      if (total !== lm) total.free()
    }
    await setImmediate()
    return { lm, diffusion }
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
      await folder.add(this.#step, (path) => this.save(path))
    } catch (error) {
      const latest = await folder.latest().catch(() => undefined)
      throw new UnwrittenError(
        `step ${this.#step} was not saved: ${(error as Error).message}; ` +
          (latest ? `${latest} is there to go on from` : 'there is no checkpoint yet'),
        { cause: error },
      )
    }
  }

  /** What a checkpoint holds besides the model to sample with. */
  #tensors(): Map<string, Tensor> {
    const tensors = new Map([...this.#optimizer.state].map(([name, tensor]) => [`optimizer.${name}`, tensor]))
    if (this.#ema) {
      // The average is what `model/` holds.
      const { lent, average, updates } = this.#ema
      tensors.set('weights', lent ? average : this.#model.network.arena.values)
      tensors.set('average.updates', updates)
    }
    return tensors
  }

  /** Frees the optimizer and the average; the model stays. */
  [Symbol.dispose](): void {
    this.#optimizer[Symbol.dispose]()
    this.#ema?.[Symbol.dispose]()
  }
}

type Losses = Pick<TransfusionLoss, 'lm' | 'diffusion'>

/** A checkpoint that could not be written. */
class UnwrittenError extends Error {}
