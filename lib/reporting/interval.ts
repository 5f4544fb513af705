import type { StepReport } from '../training/step_report.js'

/** What is written of some steps in a row: means of what varies, the last value of what is counted. */
export interface MetricsRecord {
  step: number
  seconds: number
  /** Means over the steps that had tokens or images to learn; null where none had. */
  lm: number | null
  diffusion: number | null
  /** Mean over the steps whose gradient was finite; null where none was. */
  gradient_norm: number | null
  gradient_spikes: number
  learning_rate: number
  positions: number
  targets: number
  images: number
  positions_per_second: number
  /** So far. */
  skipped_steps: number
  skipped_documents: number
}

/** Sums up steps until a record of them is taken. */
export class Interval {
  #reports: StepReport[] = []
  #since = 0

  /** `seconds`: of training before the first step that will be added. */
  constructor(seconds = 0) {
    this.#since = seconds
  }

  get steps(): number {
    return this.#reports.length
  }

  add(report: StepReport): void {
    this.#reports.push(report)
  }

  /** The record of the steps added since the last one; there must be some. */
  take(): MetricsRecord {
    const reports = this.#reports
    const last = reports.at(-1)!
    const mean = (value: (report: StepReport) => number) => {
      const finite = reports.map(value).filter(Number.isFinite)
      return finite.length === 0 ? null : finite.reduce((sum, x) => sum + x, 0) / finite.length
    }
    const total = (value: (report: StepReport) => number) =>
      reports.reduce((sum, report) => sum + value(report), 0)
    const positions = total((report) => report.positions)
    const seconds = last.seconds - this.#since
    this.#reports = []
    this.#since = last.seconds
    return {
      step: last.step,
      seconds: last.seconds,
      lm: mean((report) => report.lm),
      diffusion: mean((report) => report.diffusion),
      gradient_norm: mean((report) => report.gradientNorm),
      gradient_spikes: total((report) => Number(report.gradientSpike)),
      learning_rate: last.learningRate,
      positions,
      targets: total((report) => report.targets),
      images: total((report) => report.images),
      positions_per_second: seconds > 0 ? positions / seconds : 0,
      skipped_steps: last.skippedSteps,
      skipped_documents: last.skippedDocuments,
    }
  }
}
