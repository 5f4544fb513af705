import { join } from 'node:path'
import type { Image } from '../data/document.js'
import { encodePng } from '../data/image_io.js'
import type { StepReport } from '../training/step_report.js'
import { EventFile } from './event_file.js'
import { Interval, type MetricsRecord } from './interval.js'
import { MetricsLog } from './metrics_log.js'

export interface RecorderOptions {
  /** Where a resumed run goes on; 0 at the beginning. */
  step: number
  seconds: number
  /** Steps that one record sums up. */
  every: number
  /** Whether to write event files of TensorBoard. */
  tensorboard: boolean
}

/** Keeps a run's metrics in its folder: `metrics.jsonl`, and event files of TensorBoard. */
export class RunRecorder {
  readonly #log: MetricsLog
  readonly #events: EventFile | undefined
  readonly #interval: Interval
  readonly #every: number
  /** Ends when the last flush has: one at a time writes to a file. */
  #flushed: Promise<void> = Promise.resolve()

  /** Rejects with the file system's error where the folder cannot be written to. */
  static async open(folder: string, options: RecorderOptions): Promise<RunRecorder> {
    const log = await MetricsLog.open(join(folder, 'metrics.jsonl'), options.step)
    return new RunRecorder(folder, log, options)
  }

  private constructor(folder: string, log: MetricsLog, options: RecorderOptions) {
    this.#log = log
    this.#events = options.tensorboard ? new EventFile(folder, options.step) : undefined
    this.#interval = new Interval(options.seconds)
    this.#every = options.every
  }

  step(report: StepReport): void {
    this.#interval.add(report)
    if (report.step % this.#every === 0) this.#record()
  }

  /** A sheet of samples that was drawn at a step. */
  async samples(step: number, sheet: Image): Promise<void> {
    this.#events?.image(step, 'samples', {
      png: await encodePng(sheet),
      width: sheet.width,
      height: sheet.height,
    })
  }

  /** Writes what was recorded. Rejects with the file system's error; the next call writes what this one could not. */
  flush(): Promise<void> {
    const flushed = this.#flushed.then(async () => {
      await this.#log.flush()
      await this.#events?.flush()
    })
    this.#flushed = flushed.catch(() => {})
    return flushed
  }

  /** Writes the rest, the steps since the last record among it. */
  async close(): Promise<void> {
    if (this.#interval.steps > 0) this.#record()
    try {
      await this.flush()
    } finally {
      await this.#log.close()
    }
  }

  #record(): void {
    const record = this.#interval.take()
    this.#log.add(record)
    this.#events?.scalars(record.step, scalarsOf(record))
  }
}

function scalarsOf(record: MetricsRecord): Record<string, number> {
  const { lm, diffusion, gradient_norm: norm } = record
  return {
    ...(lm !== null && { 'loss/lm': lm }),
    ...(diffusion !== null && { 'loss/diffusion': diffusion }),
    ...(norm !== null && { 'gradient/norm': norm }),
    'gradient/spikes': record.gradient_spikes,
    'training/learning_rate': record.learning_rate,
    'training/positions_per_second': record.positions_per_second,
    'training/skipped_steps': record.skipped_steps,
    'training/skipped_documents': record.skipped_documents,
  }
}
