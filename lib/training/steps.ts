import { setImmediate } from 'node:timers/promises'
import { backward } from '../autograd/tape.js'
import type { StreamState } from '../data/document_stream.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import {
  type Denominators,
  type TrainingBatch,
  type TransfusionLoss,
  transfusionLoss,
} from '../models/transfusion/training/loss.js'
import { scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import { type StepBatch, workOf } from '../models/transfusion/training/batches.js'
import type { TrainingState } from './checkpoint.js'
import type { Clock } from './clock.js'
import { Ema } from './ema.js'
import { GradientSpikes } from './gradient_spikes.js'
import { learningRateAt } from './learning_rate.js'
import { createOptimizer } from './optimizer.js'
import type { Optimizer } from './optimizer_step.js'
import type { TrainingOptions } from './options.js'
import { readAndFree, sumOf } from './read_losses.js'
import { Readers } from './readers.js'
import { SkippedSteps } from './skipped_steps.js'
import type { StepReport } from './step_report.js'

/**
 * The steps of a training and all that they change. A step counts once the device has said that it was taken; the passes
 * of the next one are enqueued meanwhile, its update only then. So whatever ends a step before its update leaves all as
 * the step before left it, and what ends the update itself is known: `check` then throws until `restore`.
 */
export class TrainingSteps {
  readonly #model: ModelParts
  readonly #options: TrainingOptions
  readonly #clock: Clock
  readonly #optimizer: Optimizer
  readonly #ema: Ema | undefined
  /** Taken, as the device has said. */
  #done = 0
  /** One more while the device has not said so yet. */
  #enqueued = 0
  #latest: Promise<StepReport> | undefined
  #skipped: SkippedSteps
  #spikes: GradientSpikes
  #data: StreamState | undefined
  /** Why weights and state are of no step. */
  #broken: string | undefined
  readonly #readers = new Readers()
  #freed = false

  constructor(model: ModelParts, options: TrainingOptions, clock: Clock) {
    const { arena } = model.network
    this.#model = model
    this.#options = options
    this.#clock = clock
    this.#optimizer = createOptimizer(arena, options.optimizer)
    this.#ema = options.ema > 0 ? new Ema(arena, options.ema) : undefined
    this.#skipped = new SkippedSteps(options.onNonFinite)
    this.#spikes = new GradientSpikes(options.spikeFactor)
  }

  /** Taken. */
  get done(): number {
    return this.#done
  }

  /** Taken, or on their way. */
  get enqueued(): number {
    return this.#enqueued
  }

  /** 0..1, of the steps or of the time, once those on their way are taken. */
  get progress(): number {
    const { steps, minutes } = this.#options
    return steps === undefined ? this.#clock.seconds / (minutes! * 60) : this.#enqueued / steps
  }

  /** Where training stands, but for what tensors hold. */
  get state(): TrainingState {
    return {
      step: this.#done,
      seconds: this.#clock.seconds,
      skippedSteps: this.#skipped.count,
      gradientNorms: this.#spikes.state,
      ...(this.#data && { data: this.#data }),
    }
  }

  /** What a checkpoint holds besides the model to sample with. */
  get tensors(): Map<string, Tensor> {
    const tensors = new Map([...this.#optimizer.state].map(([name, tensor]) => [`optimizer.${name}`, tensor]))
    if (this.#ema) {
      // The average is what the model's folder holds.
      const { lent, average, updates } = this.#ema
      tensors.set('weights', lent ? average : this.#model.network.arena.values)
      tensors.set('average.updates', updates)
    }
    return tensors
  }

  /** Whether the model has the averaged weights. */
  get lent(): boolean {
    return this.#ema?.lent ?? false
  }

  /** f32 [elements]: the weights to sample with, where the model itself has others. */
  get average(): Tensor | undefined {
    return this.#ema && !this.#ema.lent ? this.#ema.average : undefined
  }

  /** Throws an Error where weights and state are of no step. */
  check(): void {
    if (this.#broken === undefined) return
    throw new Error(
      `${this.#broken}: weights and optimizer are of no step. Restore a checkpoint with trainer.restore, or begin anew`,
    )
  }

  /** Forgets what an earlier step has left behind. Throws as `check`. */
  begin(): void {
    this.check()
    this.#model.network.arena.zeroGradients()
  }

  /**
   * Takes one step; `report` resolves once the device has done it. Rejects where its passes throw or the step before has
   * failed: it was not taken then.
   */
  async take(batch: StepBatch): Promise<{ report: Promise<StepReport> }> {
    const losses: Losses[] = []
    try {
      for (const part of batch.parts) losses.push(await this.#addGradients(part, batch.denominators))
      await this.#latest
      return await this.#readers.change(() => this.#update(batch, losses))
    } catch (error) {
      for (const { lm, diffusion } of losses) for (const tensor of [lm, diffusion]) tensor?.free()
      throw error
    }
  }

  /** Waits until no step is on its way, however it ends. */
  async settle(): Promise<void> {
    await this.#latest?.catch(() => {})
    this.#latest = undefined
  }

  /** Gives the model its averaged weights, or its own back, once nobody reads them. */
  async lend(average: boolean): Promise<void> {
    const ema = this.#ema
    await this.#readers.change(() => {
      if (ema && ema.lent !== average && !this.#freed && !this.#model.network.arena.freed) ema.swap()
    })
  }

  /** Runs `body`, which reads weights and state as the last step has left them: no other changes them meanwhile. */
  hold<R>(body: () => Promise<R>): Promise<R> {
    return this.#readers.read(async () => {
      await this.settle()
      this.check()
      return body()
    })
  }

  /**
   * Goes on from elsewhere: `write` writes all tensors, the average as the model's weights, then `writeTensors` those that
   * `tensors` has then. Where either rejects, `check` throws until a further call does not.
   */
  async restore(
    state: TrainingState,
    writeModel: () => Promise<void>,
    writeTensors: (tensors: ReadonlyMap<string, Tensor>) => Promise<void>,
  ): Promise<void> {
    const { arena } = this.#model.network
    await this.#readers.change(() => (this.#broken = 'a checkpoint was restored in part'))
    await writeModel()
    this.#ema?.adopt()
    arena.changing()
    await writeTensors(this.tensors)
    arena.zeroGradients()
    arena.updated()
    this.#broken = undefined
    this.#latest = undefined
    this.#done = this.#enqueued = state.step
    this.#clock.seconds = state.seconds
    this.#skipped = new SkippedSteps(this.#options.onNonFinite, state.skippedSteps)
    this.#spikes = new GradientSpikes(this.#options.spikeFactor, state.gradientNorms)
    this.#data = state.data
  }

  /** Enqueues a step's update. */
  #update(batch: StepBatch, losses: readonly Losses[]): { report: Promise<StepReport> } {
    const { arena, config } = this.#model.network
    const learningRate = learningRateAt(this.#options.learningRate, this.#done, this.progress)
    let clip
    try {
      clip = scope(() => this.#optimizer.step(learningRate))
    } catch (error) {
      if (!arena.whole) this.#broken = `the update of step ${this.#done + 1} ended half way`
      throw error
    }
    this.#enqueued = this.#done + 1
    const report = this.#report(clip, batch.state, losses, {
      step: this.#enqueued,
      progress: this.progress,
      learningRate,
      ...workOf(batch, config),
    })
    // Its rejection is met by the step after, or by who waits for the report: never as unhandled.
    report.catch(() => {})
    this.#latest = report
    return { report }
  }

  /** Counts the step once the device has taken it, and says what it came to. */
  async #report(
    clip: Tensor,
    data: StreamState,
    losses: readonly Losses[],
    known: Omit<StepReport, keyof Taken | 'lm' | 'diffusion' | 'seconds'>,
  ): Promise<StepReport> {
    const norm = readAndFree(clip)
    const sums = Promise.all([
      sumOf(losses.map((loss) => loss.lm)),
      sumOf(losses.map((loss) => loss.diffusion)),
    ])
    sums.catch(() => {})
    const { failure, ...taken } = await this.#count(norm, data)
    const [lm, diffusion] = await sums
    if (failure) throw failure({ step: known.step, gradientNorm: taken.gradientNorm, lm, diffusion })
    return { ...known, ...taken, lm, diffusion, seconds: this.#clock.seconds }
  }

  async #count(
    norm: Promise<Float32Array>,
    data: StreamState,
  ): Promise<Taken & { failure: ReturnType<SkippedSteps['add']> }> {
    let gradientNorm: number
    let applied: boolean
    try {
      const clip = (await norm) as unknown as [norm: number, factor: number, taken: number]
      gradientNorm = clip[0]
      applied = clip[2] === 1
      if (applied) this.#ema?.update()
    } catch (error) {
      this.#enqueued = this.#done
      if (!(await this.#isUntouched()))
        this.#broken = `step ${this.#done + 1} has failed on the device, perhaps in the middle of its update`
      throw error
    }
    this.#done++
    this.#data = data
    const failure = this.#skipped.add(applied)
    const gradientSpike = this.#spikes.add(gradientNorm)
    return { gradientNorm, applied, gradientSpike, skippedSteps: this.#skipped.count, failure }
  }

  /** Whether a step that has failed was not taken, as the optimizer has counted on the device. */
  async #isUntouched(): Promise<boolean> {
    try {
      const [steps] = await this.#optimizer.state.get('steps')!.readInts()
      return steps === this.#done - this.#skipped.count
    } catch {
      return false
    }
  }

  /** Adds a part's gradients; its losses, which the caller owns, are shares of the whole batch's. */
  async #addGradients(part: TrainingBatch, denominators: Denominators): Promise<Losses> {
    // Each pass is milliseconds of JavaScript: the event loop turns between them.
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

  /** Frees the optimizer and the average. */
  [Symbol.dispose](): void {
    this.#freed = true
    this.#optimizer[Symbol.dispose]()
    this.#ema?.[Symbol.dispose]()
  }
}

type Losses = Pick<TransfusionLoss, 'lm' | 'diffusion'>

/** What of a report is known once the device has taken the step. */
type Taken = Pick<StepReport, 'gradientNorm' | 'applied' | 'gradientSpike' | 'skippedSteps'>
