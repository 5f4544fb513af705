import type { StepReport } from '../training/step_report.js'
import { MatmulShare } from './matmul_rate.js'

/** What is written of some steps in a row: means of what varies, the last value of what is counted. */
export interface MetricsRecord {
  step: number
  seconds: number
  /** Means over the steps that had tokens or images to learn; null where none had. */
  lm: number | null
  diffusion: number | null
  /** Mean over the steps whose gradient was finite; null where none was. */
  gradient_norm: number | null
  /** The largest of those norms: a mean hides the height of a spike. */
  gradient_norm_max: number | null
  gradient_spikes: number
  learning_rate: number
  positions: number
  targets: number
  images: number
  positions_per_second: number
  /** Floating-point operations of the matrix products per second, see `trainingFlops`. */
  flops_per_second: number
  /** That rate as a share of the machine's, see `MatmulShare`; null where that is not known. */
  matmul_share: number | null
  /** So far. */
  skipped_steps: number
  skipped_documents: number
}

/** Sums up steps until a record of them is taken. */
export class Interval {
  #reports: StepReport[] = []
  #since: number
  readonly #share: MatmulShare

  /** `seconds`: of training before the first step that will be added. `matmulRate`: the machine's, where it is known. */
  constructor(seconds = 0, matmulRate?: number) {
    this.#since = seconds
    this.#share = new MatmulShare(matmulRate)
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
    const finite = (value: (report: StepReport) => number) => reports.map(value).filter(Number.isFinite)
    const mean = (value: (report: StepReport) => number) => {
      const values = finite(value)
      return values.length === 0 ? null : values.reduce((sum, x) => sum + x, 0) / values.length
    }
    const norms = finite((report) => report.gradientNorm)
    const total = (value: (report: StepReport) => number) =>
      reports.reduce((sum, report) => sum + value(report), 0)
    const seconds = last.seconds - this.#since
    const perSecond = (amount: number) => (seconds > 0 ? amount / seconds : 0)
    const positions = total((report) => report.positions)
    const flopsPerSecond = perSecond(total((report) => report.flops))
    this.#reports = []
    this.#since = last.seconds
    return {
      step: last.step,
      seconds: last.seconds,
      lm: mean((report) => report.lm),
      diffusion: mean((report) => report.diffusion),
      gradient_norm: mean((report) => report.gradientNorm),
      gradient_norm_max: norms.length === 0 ? null : norms.reduce((a, b) => Math.max(a, b)),
      gradient_spikes: total((report) => Number(report.gradientSpike)),
      learning_rate: last.learningRate,
      positions,
      targets: total((report) => report.targets),
      images: total((report) => report.images),
      positions_per_second: perSecond(positions),
      flops_per_second: flopsPerSecond,
      matmul_share: this.#share.of(flopsPerSecond) ?? null,
      skipped_steps: last.skippedSteps,
      skipped_documents: last.skippedDocuments,
    }
  }
}
