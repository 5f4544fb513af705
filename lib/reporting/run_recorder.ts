import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '../files/atomic_file.js'
import type { Image } from '../image/image.js'
import { encodePng } from '../image/image_io.js'
import type { StepReport } from '../training/step_report.js'
import { EventFile } from './event_file.js'
import { Interval, type MetricsRecord } from './interval.js'
import { MetricsLog } from './metrics_log.js'
import { findSheets, runFiles, sheetCaptionsFile, sheetFile } from './run_files.js'
import { drawSampleSheet } from './sample_sheet.js'
import { addSession, endSession, type Outcome } from './sessions.js'

export interface RecorderOptions {
  /** Where a resumed run goes on; 0 at the beginning. */
  step: number
  seconds: number
  /** Steps that one record sums up. */
  every: number
  /** Whether to write event files of TensorBoard. */
  tensorboard: boolean
  /** The model's size. */
  parameters: number
  /** What the run was started with, to be shown beside its curves. */
  config: unknown
  /** The machine's rate, as `measureMatmulRate` gives it. */
  matmulRate?: number
}

/** A sheet of samples. */
export interface RecordedSheet {
  readonly image: Image
  /** What is written below its images. */
  readonly captions: readonly string[]
  /** What was measured of them, by name; absent: nothing. */
  readonly metrics?: Readonly<Record<string, number>>
}

/** Writes what a run reports into its folder: `metrics.jsonl`, `run.json`, sheets of samples, event files of TensorBoard. */
export class RunRecorder {
  readonly #folder: string
  readonly #log: MetricsLog
  readonly #events: EventFile | undefined
  readonly #interval: Interval
  readonly #every: number
  #step: number

  /** Rejects with an Error that names the file where the folder cannot be written to. */
  static async open(folder: string, options: RecorderOptions): Promise<RunRecorder> {
    const { step, tensorboard, config } = options
    await removeSheets(folder, step)
    await addSession(folder, { matmulRate: undefined, ...options })
    const log = await MetricsLog.open(join(folder, runFiles.metrics), step)
    try {
      const events = tensorboard ? await EventFile.create(folder, step) : undefined
      events?.text(step, 'config', indentedCode(config))
      return new RunRecorder(folder, log, events, options)
    } catch (error) {
      await log.close()
      throw error
    }
  }

  private constructor(
    folder: string,
    log: MetricsLog,
    events: EventFile | undefined,
    { step, seconds, every, matmulRate }: RecorderOptions,
  ) {
    this.#folder = folder
    this.#log = log
    this.#events = events
    this.#interval = new Interval(seconds, matmulRate)
    this.#every = every
    this.#step = step
  }

  step(report: StepReport): void {
    this.#step = report.step
    this.#interval.add(report)
    if (report.step % this.#every === 0) this.#record()
  }

  /** Keeps images generated at a step, with their captions, as a PNG sheet. Rejects where it cannot be written. */
  samples(step: number, images: readonly Image[], captions: readonly string[]): Promise<void> {
    return this.sheet(step, { image: drawSampleSheet(`step ${step}`, images, captions), captions })
  }

  /** Keeps a sheet of samples of a step, and what was measured of them. Rejects where it cannot be written. */
  async sheet(step: number, { image, captions, metrics = {} }: RecordedSheet): Promise<void> {
    const png = await encodePng(image)
    this.#events?.image(step, 'samples', { png, width: image.width, height: image.height })
    if (Object.keys(metrics).length > 0) {
      if (this.#interval.steps > 0) this.#record()
      this.#log.add({ step, samples: { ...metrics } })
      this.#events?.scalars(step, prefixed('samples/', metrics))
    }
    await writeAtomically(join(this.#folder, sheetCaptionsFile(step)), `${JSON.stringify(captions)}\n`)
    await writeAtomically(join(this.#folder, sheetFile(step)), png)
  }

  /**
   * Writes what was recorded, including a record of the steps since the last one: called at a checkpoint, so that a run that
   * resumes from there misses none. Rejects where a file cannot be written; the next call writes what this one could not.
   */
  async flush(): Promise<void> {
    if (this.#interval.steps > 0) this.#record()
    await this.#log.flush()
    await this.#events?.flush()
  }

  /** Flushes and closes the files. `outcome`: how the session ended, which is recorded where it is given. */
  async close(outcome?: Outcome): Promise<void> {
    if (this.#interval.steps > 0) this.#record()
    const closed = await Promise.allSettled([this.#log.close(), this.#events?.close()])
    if (outcome) await endSession(this.#folder, this.#step, outcome)
    for (const result of closed) if (result.status === 'rejected') throw result.reason
  }

  #record(): void {
    const record = this.#interval.take()
    this.#log.add(record)
    this.#events?.scalars(record.step, scalarsOf(record))
  }
}

/** Removes the sheets beyond a step, which a run that goes on from there generates anew. */
async function removeSheets(folder: string, step: number): Promise<void> {
  const { sheets, captions } = await findSheets(folder)
  for (const file of [...sheets, ...captions]) if (file.step > step) await rm(file.path)
}

/** JSON as a block of code in Markdown. */
const indentedCode = (value: unknown): string =>
  JSON.stringify(value, null, 2)
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')

function scalarsOf(record: MetricsRecord): Record<string, number> {
  const values = {
    ...prefixed('loss/', record.terms),
    'gradient/norm': record.gradient_norm,
    ...prefixed('gradient/norm_of_', record.companion_norms ?? {}),
    'gradient/spikes': record.gradient_spikes,
    'training/learning_rate': record.learning_rate,
    ...prefixed(
      'training/learning_rate_of_group_',
      Object.fromEntries((record.group_learning_rates ?? []).entries()),
    ),
    ...prefixed('training/', record.per_second, '_per_second'),
    'training/matmul_share': record.matmul_share,
    'training/skipped_steps': record.skipped_steps,
    'training/skipped_documents': record.skipped_documents,
  }
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== null),
  )
}

const prefixed = (
  prefix: string,
  values: Readonly<Record<string, number>>,
  suffix = '',
): Record<string, number> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}${suffix}`, value]))
