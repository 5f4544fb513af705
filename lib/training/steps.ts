import { checkArguments } from '../arguments.js'
import { type ProductChoices, withProducts } from '../tensor/product_choices.js'
import { scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import type { TrainingState } from './checkpoint.js'
import type { Clock } from './clock.js'
import { Ema } from './ema.js'
import { GradientSpikes } from './gradient_spikes.js'
import { learningRateAt, type LearningRateOptions } from './learning_rate.js'
import { addGradients, freeObserved, freePasses, type Passes, readTerms } from './loss_terms.js'
import type { TrainingOptions } from './options.js'
import { groupSchedule } from './parameter_groups.js'
import { Readers } from './readers.js'
import { SkippedSteps } from './skipped_steps.js'
import type { StepReport } from './step_report.js'
import type { StepBatch, TrainingTask } from './task.js'
import { type Clips, type GradientNorms, readClips, TrainedNetworks } from './trained_networks.js'
import { type StoredProducts, TrainingProducts } from './training_products.js'

/**
 * The steps of a training and all that they change. A step counts once the device has said that it was taken; the passes
 * of the next one are enqueued meanwhile, its update only then. So whatever ends a step before its update leaves all as
 * the step before left it, and what ends the update itself is known: `check` then throws until `restore`.
 */
export class TrainingSteps {
  readonly #task: TrainingTask
  readonly #options: TrainingOptions
  readonly #clock: Clock
  readonly #networks: TrainedNetworks
  readonly #ema: Ema | undefined
  /** Steps that the device has reported as taken. */
  #done = 0
  /** Steps whose update is enqueued: one more than `#done` while a report is awaited. */
  #enqueued = 0
  #latest: Promise<StepReport> | undefined
  #skipped: SkippedSteps
  #spikes: GradientSpikes
  #dataState: unknown
  #products: TrainingProducts | undefined
  /** Of the checkpoint that was restored last. */
  #storedProducts: StoredProducts | undefined
  /** Why weights and optimizer state do not belong to one step; undefined: they do. */
  #broken: string | undefined
  readonly #readers = new Readers()
  #freed = false

  constructor(task: TrainingTask, options: TrainingOptions, clock: Clock) {
    const { arena } = task
    this.#task = task
    this.#options = options
    this.#clock = clock
    this.#networks = new TrainedNetworks(task, options.optimizer, options.groups)
    this.#ema = options.ema > 0 ? new Ema(arena, options.ema) : undefined
    this.#skipped = new SkippedSteps(options.onNonFinite)
    this.#spikes = new GradientSpikes(options.spikeFactor)
  }

  /** Steps taken. */
  get done(): number {
    return this.#done
  }

  /** Steps taken, and the one whose report is awaited. */
  get enqueued(): number {
    return this.#enqueued
  }

  /** 0..1, the share of the steps or of the time, the steps that are enqueued included. */
  get progress(): number {
    const { steps, minutes } = this.#options
    return steps === undefined ? this.#clock.seconds / (minutes! * 60) : this.#enqueued / steps
  }

  /** Where training stands, without what tensors hold. */
  get state(): TrainingState {
    const products = this.#products?.stored ?? this.#storedProducts
    const frozen = this.#task.arena.fixed.parameters.map(({ name }) => name)
    return {
      step: this.#done,
      seconds: this.#clock.seconds,
      skippedSteps: this.#skipped.count,
      gradientNorms: this.#spikes.state,
      ...(frozen.length > 0 && { frozen }),
      ...(this.#dataState !== undefined && { data: this.#dataState }),
      ...(products && { products }),
    }
  }

  /** What a checkpoint holds besides the model to sample with. */
  get tensors(): Map<string, Tensor> {
    const { tensors } = this.#networks
    if (this.#ema) {
      // The average is what the model's folder holds.
      const { swappedIn, average, updates } = this.#ema
      tensors.set('weights', swappedIn ? average : this.#task.arena.values)
      tensors.set('average.updates', updates)
    }
    return tensors
  }

  /** Whether the model has the averaged weights in place of its own. */
  get averageSwappedIn(): boolean {
    return this.#ema?.swappedIn ?? false
  }

  /** f32 [elements]: the weights to sample with, where the model itself has others. */
  get average(): Tensor | undefined {
    return this.#ema && !this.#ema.swappedIn ? this.#ema.average : undefined
  }

  /** Throws an Error where weights and optimizer state do not belong to one step. */
  check(): void {
    if (this.#broken === undefined) return
    throw new Error(
      `${this.#broken}: weights and optimizer are of no step. Restore a checkpoint with trainer.restore, or begin anew`,
    )
  }

  /** Clears gradients that an earlier, failed step has left, and finds out how products are computed. Throws as `check`. */
  async begin(onWarning: (message: string) => void): Promise<void> {
    this.check()
    this.#networks.zeroGradients()
    if (this.#options.products === 'fastest')
      this.#products ??= await TrainingProducts.open(this.#task.arena.device, this.#storedProducts, onWarning)
  }

  /** How products are computed; undefined before the first run, and where there is one way. */
  get products(): ProductChoices | undefined {
    return this.#products?.choices
  }

  /**
   * Takes one step; `report` resolves once the device has done it. Rejects where its passes throw or the step before has
   * failed: it was not taken then.
   */
  async take(batch: AnyBatch): Promise<{ report: Promise<StepReport> }> {
    checkBatch(batch)
    const passes: Passes[] = []
    const { companions } = this.#networks
    try {
      for (const microBatch of batch.microBatches)
        passes.push(await addGradients(this.#task, companions, microBatch, this.products))
      await this.#latest
      return await this.#readers.change(() => this.#update(batch, passes))
    } catch (error) {
      passes.forEach(freePasses)
      throw error
    }
  }

  /** Waits until the step that is enqueued has ended, whether it was taken or has failed. */
  async settle(): Promise<void> {
    await this.#latest?.catch(() => {})
    this.#latest = undefined
  }

  /** Gives the model its averaged weights, or its own back, once nobody reads them. */
  async swapAverage(into: boolean): Promise<void> {
    const ema = this.#ema
    await this.#readers.change(() => {
      if (ema && ema.swappedIn !== into && !this.#freed && !this.#task.arena.freed) ema.swap()
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
    await this.#readers.change(() => (this.#broken = 'a checkpoint was restored in part'))
    await writeModel()
    this.#ema?.adopt()
    this.#networks.changing()
    await writeTensors(this.tensors)
    this.#networks.updated()
    this.#broken = undefined
    this.#latest = undefined
    this.#done = this.#enqueued = state.step
    this.#clock.seconds = state.seconds
    this.#skipped = new SkippedSteps(this.#options.onNonFinite, state.skippedSteps)
    this.#spikes = new GradientSpikes(this.#options.spikeFactor, state.gradientNorms)
    this.#dataState = state.data
    this.#storedProducts = state.products
    this.#products = undefined
  }

  /** Enqueues a step's update. */
  #update(batch: AnyBatch, passes: readonly Passes[]): { report: Promise<StepReport> } {
    const rateAt = (schedule: LearningRateOptions) => learningRateAt(schedule, this.#done, this.progress)
    const { learningRate: schedule, groups } = this.#options
    const rates = {
      run: rateAt(schedule),
      groups: groups.map((group) => rateAt(groupSchedule(group, schedule))),
    }
    let clips
    try {
      clips = withProducts(this.products, () =>
        scope(() => this.#networks.update(rates, passes, this.#ema?.average)),
      )
    } catch (error) {
      if (!this.#networks.consistent) this.#broken = `the update of step ${this.#done + 1} ended half way`
      throw error
    }
    passes.forEach(freeObserved)
    this.#enqueued = this.#done + 1
    const report = this.#report(clips, batch.dataState, passes, {
      step: this.#enqueued,
      progress: this.progress,
      learningRate: rates.run,
      ...(groups.length > 0 && { groupLearningRates: rates.groups }),
      ...batch.statistics,
    })
    // The next step, or whoever awaits the report, handles its rejection: Node must not take it for unhandled.
    report.catch(() => {})
    this.#latest = report
    return { report }
  }

  /** Counts the step once the device has taken it, and reports it. */
  async #report(
    clips: Clips,
    dataState: unknown,
    passes: readonly Passes[],
    known: Omit<StepReport, keyof Taken | 'terms' | 'seconds'>,
  ): Promise<StepReport> {
    const norms = readClips(clips)
    const sums = readTerms(passes.map(({ terms }) => terms))
    sums.catch(() => {})
    const { failure, ...taken } = await this.#count(norms, dataState)
    const report = { ...known, ...taken, terms: await sums }
    if (failure) throw failure(report)
    return { ...report, seconds: this.#clock.seconds }
  }

  async #count(
    norms: Promise<GradientNorms>,
    dataState: unknown,
  ): Promise<Taken & { failure: ReturnType<SkippedSteps['add']> }> {
    let read: GradientNorms
    try {
      read = await norms
      if (read.applied) this.#ema?.update()
    } catch (error) {
      this.#enqueued = this.#done
      if (!(await this.#isUntouched()))
        this.#broken = `step ${this.#done + 1} has failed on the device, perhaps in the middle of its update`
      throw error
    }
    this.#done++
    this.#dataState = dataState
    const failure = this.#skipped.add(read.applied)
    const gradientSpike = this.#spikes.add(read.gradientNorm)
    return { ...read, gradientSpike, skippedSteps: this.#skipped.count, failure }
  }

  /** Whether a step that has failed was not taken, as the optimizer has counted on the device. */
  #isUntouched(): Promise<boolean> {
    return this.#networks.hasTaken(this.#done - this.#skipped.count).catch(() => false)
  }

  /** Frees the optimizers and the average. */
  [Symbol.dispose](): void {
    this.#freed = true
    this.#networks[Symbol.dispose]()
    this.#ema?.[Symbol.dispose]()
  }
}

type AnyBatch = StepBatch<unknown, unknown>

/** Throws a TypeError that names what a task's batch lacks. */
function checkBatch(batch: AnyBatch): void {
  checkArguments('TrainingTask.next', { batch: [batch, 'object'] })
  const { microBatches, statistics } = batch
  checkArguments('TrainingTask.next', {
    'batch.microBatches': [microBatches, 'array'],
    'batch.statistics': [statistics, 'object'],
  })
  checkArguments('TrainingTask.next', { 'batch.statistics.counts': [statistics.counts, 'object'] })
}

/** What of a report is known once the device has taken the step. */
type Taken = GradientNorms & Pick<StepReport, 'gradientSpike' | 'skippedSteps'>
