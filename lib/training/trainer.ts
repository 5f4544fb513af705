import type { ImageDataset } from '../data/sources/image_dataset.js'
import { backward } from '../autograd/tape.js'
import { parseConfig } from '../config.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import { type TrainingBatch, transfusionLoss } from '../models/transfusion/loss.js'
import { RunAhead } from '../tensor/run_ahead.js'
import { keep, scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import { AdamW } from './adamw.js'
import { BatchMaker } from './batches.js'
import { Ema } from './ema.js'
import { learningRateAt } from './learning_rate.js'
import { type TrainingOptions, trainingOptionsSchema, type TrainingSettings } from './options.js'

/** What one step reports, once the device has done it. */
export interface StepReport {
  /** Steps done, this one included. */
  step: number
  /** 0..1, of the steps or of the time. */
  progress: number
  /** Mean cross-entropy per target token, in nats; NaN in a batch without targets. */
  lm: number
  /** The weighted diffusion loss, mean over images; NaN in a batch without images. */
  diffusion: number
  gradientNorm: number
  /** False when the gradient was not finite and the weights were left as they were. */
  applied: boolean
  learningRate: number
  /** Positions of the batch, patches included. */
  positions: number
  images: number
  /** Seconds of training so far. */
  seconds: number
}

export interface RunHooks {
  /** Ends training after the current step. */
  signal?: AbortSignal
  onStep?: (report: StepReport) => void
  /** Called between steps with the averaged weights in place; the clock stands still meanwhile. */
  every?: { steps: number; run: (step: number) => Promise<void> }
}

/** Trains a model on captioned images. */
export class Trainer {
  readonly #model: ModelParts
  readonly #options: TrainingOptions
  readonly #batches: BatchMaker
  readonly #optimizer: AdamW
  readonly #ema: Ema | undefined
  #step = 0
  #seconds = 0

  /** Throws a ConfigError that names what is wrong in the settings. */
  constructor(model: ModelParts, dataset: ImageDataset, settings: TrainingSettings) {
    const options = parseConfig(trainingOptionsSchema, settings, 'training options')
    this.#model = model
    this.#options = options
    this.#batches = new BatchMaker(dataset, model, options)
    this.#optimizer = new AdamW(model.network.arena, options.optimizer)
    this.#ema = options.ema > 0 ? new Ema(model.network.arena, options.ema) : undefined
  }

  /** Steps and seconds of training done. */
  get done(): { steps: number; seconds: number } {
    return { steps: this.#step, seconds: this.#seconds }
  }

  /** Trains to the limit, or to the end of the step in which the signal aborts. The model then has the averaged weights. */
  async run({ signal, onStep, every }: RunHooks = {}): Promise<void> {
    const runAhead = new RunAhead()
    let resumed = performance.now()
    const clock = () => this.#seconds + (performance.now() - resumed) / 1000
    const stopped = () => signal?.aborted ?? false
    while (this.#progress(clock()) < 1 && !stopped()) {
      const batch = await this.#batches.make(this.#step)
      const progress = this.#progress(clock())
      const report = this.#enqueue(batch, progress).then((values) =>
        onStep?.({ ...values, seconds: clock() }),
      )
      await runAhead.step(report)
      if (every && this.#step % every.steps === 0) {
        await runAhead.finish()
        this.#seconds = clock()
        await this.withAverage(() => every.run(this.#step))
        resumed = performance.now()
      }
    }
    await runAhead.finish()
    this.#seconds = clock()
    this.#ema?.apply()
  }

  /** Runs `body` on the averaged weights. */
  withAverage<R>(body: () => Promise<R>): Promise<R> {
    return this.#ema ? this.#ema.using(body) : body()
  }

  #progress(seconds: number): number {
    const { steps, minutes } = this.#options
    return steps === undefined ? seconds / (minutes! * 60) : this.#step / steps
  }

  /** Enqueues one step; the promise resolves once the device has done it. */
  async #enqueue(batch: TrainingBatch, progress: number): Promise<Omit<StepReport, 'seconds'>> {
    const learningRate = learningRateAt(this.#options.learningRate, this.#step, progress)
    const { lm, diffusion, clip } = scope(() => {
      const { total, lm, diffusion } = transfusionLoss(this.#model.network, batch, this.#options.imageWeight)
      backward(total)
      const clip = this.#optimizer.step(learningRate)
      this.#ema?.update()
      return { lm, diffusion, clip }
    })
    this.#step++
    const step = this.#step
    const reads = [lm, diffusion, clip].map((tensor) => readAndFree(tensor))
    const [lmValues, diffusionValues, clipValues] = await Promise.all(reads)
    return {
      step,
      progress,
      lm: lmValues?.[0] ?? NaN,
      diffusion: diffusionValues?.[0] ?? NaN,
      gradientNorm: clipValues![0]!,
      applied: clipValues![2] === 1,
      learningRate,
      positions: batch.packed.ids.length,
      images: batch.packed.images.length,
    }
  }

  [Symbol.dispose](): void {
    this.#optimizer[Symbol.dispose]()
    this.#ema?.[Symbol.dispose]()
  }
}

/** Enqueues the read; the memory is given back in stream order, after it. */
function readAndFree(tensor: Tensor | undefined): Promise<Float32Array> | undefined {
  if (!tensor) return undefined
  const values = keep(tensor).readFloats()
  tensor.free()
  return values
}
