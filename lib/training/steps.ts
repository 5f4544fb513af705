import { checkArguments } from '../arguments.js'
import { type ProductChoices, withProducts } from '../tensor/product_choices.js'
import { scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import type { TrainingState } from './checkpoint.js'
import type { Clock } from './clock.js'
import { Ema } from './ema.js'
import { GradientSpikes } from './gradient_spikes.js'
import { learningRateAt } from './learning_rate.js'
import { addGradients, freeTerms, type LossTerms, readAndFree, readTerms } from './loss_terms.js'
import { createOptimizer } from './optimizer.js'
import type { Optimizer } from './optimizer_step.js'
import type { TrainingOptions } from './options.js'
import { Readers } from './readers.js'
import { SkippedSteps } from './skipped_steps.js'
import type { StepReport } from './step_report.js'
import type { StepBatch, TrainingTask } from './task.js'
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
  readonly #optimizer: Optimizer
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
    this.#optimizer = createOptimizer(arena, options.optimizer)
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
    return {
      step: this.#done,
      seconds: this.#clock.seconds,
      skippedSteps: this.#skipped.count,
      gradientNorms: this.#spikes.state,
      ...(this.#dataState !== undefined && { data: this.#dataState }),
      ...(products && { products }),
    }
  }

  /** What a checkpoint holds besides the model to sample with. */
  get tensors(): Map<string, Tensor> {
    const tensors = new Map([...this.#optimizer.state].map(([name, tensor]) => [`optimizer.${name}`, tensor]))
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
    const { arena } = this.#task
    arena.zeroGradients()
    if (this.#options.products === 'fastest')
      this.#products ??= await TrainingProducts.open(arena.device, this.#storedProducts, onWarning)
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
    const terms: LossTerms[] = []
    try {
      for (const microBatch of batch.microBatches)
        terms.push(await addGradients(this.#task, microBatch, this.products))
      await this.#latest
      return await this.#readers.change(() => this.#update(batch, terms))
    } catch (error) {
      terms.forEach(freeTerms)
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
    const { arena } = this.#task
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
    this.#dataState = state.data
    this.#storedProducts = state.products
    this.#products = undefined
  }

  /** Enqueues a step's update. */
  #update(batch: AnyBatch, terms: readonly LossTerms[]): { report: Promise<StepReport> } {
    const { arena } = this.#task
    const learningRate = learningRateAt(this.#options.learningRate, this.#done, this.progress)
    let clip
    try {
      clip = withProducts(this.products, () => scope(() => this.#optimizer.step(learningRate)))
    } catch (error) {
      if (!arena.consistent) this.#broken = `the update of step ${this.#done + 1} ended half way`
      throw error
    }
    this.#enqueued = this.#done + 1
    const report = this.#report(clip, batch.dataState, terms, {
      step: this.#enqueued,
      progress: this.progress,
      learningRate,
      ...batch.statistics,
    })
    // The next step, or whoever awaits the report, handles its rejection: Node must not take it for unhandled.
    report.catch(() => {})
    this.#latest = report
    return { report }
  }

  /** Counts the step once the device has taken it, and reports it. */
  async #report(
    clip: Tensor,
    dataState: unknown,
    terms: readonly LossTerms[],
    known: Omit<StepReport, keyof Taken | 'terms' | 'seconds'>,
  ): Promise<StepReport> {
    const norm = readAndFree(clip)
    const sums = readTerms(terms)
    sums.catch(() => {})
    const { failure, ...taken } = await this.#count(norm, dataState)
    const report = { ...known, ...taken, terms: await sums }
    if (failure) throw failure(report)
    return { ...report, seconds: this.#clock.seconds }
  }

  async #count(
    norm: Promise<Float32Array>,
    dataState: unknown,
  ): Promise<Taken & { failure: ReturnType<SkippedSteps['add']> }> {
    let gradientNorm: number
    let applied: boolean
    try {
      const [ofGradients, , taken] = await norm
      gradientNorm = ofGradients!
      applied = taken === 1
      if (applied) this.#ema?.update()
    } catch (error) {
      this.#enqueued = this.#done
      if (!(await this.#isUntouched()))
        this.#broken = `step ${this.#done + 1} has failed on the device, perhaps in the middle of its update`
      throw error
    }
    this.#done++
    this.#dataState = dataState
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

  /** Frees the optimizer and the average. */
  [Symbol.dispose](): void {
    this.#freed = true
    this.#optimizer[Symbol.dispose]()
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
type Taken = Pick<StepReport, 'gradientNorm' | 'applied' | 'gradientSpike' | 'skippedSteps'>
