import type { StepReport } from '../training/step_report.js'
import { MatmulShare } from './matmul_rate.js'

/** What is written of some steps in a row: means of what varies, the last value of what is counted. */
export interface MetricsRecord {
  step: number
  seconds: number
  /** Terms of the loss by name: means over the steps that had them; those that no step had are absent. */
  terms: Record<string, number>
  /** Mean over the steps whose gradient was finite; null where none was. */
  gradient_norm: number | null
  /** The largest of those norms: a mean hides the height of a spike. */
  gradient_norm_max: number | null
  gradient_spikes: number
  /** The mean norm of each companion's gradients, by its name; absent where steps have trained none. */
  companion_norms?: Record<string, number>
  learning_rate: number
  /** Of each of the groups of parameters that have one of their own; absent where there are none. */
  group_learning_rates?: readonly number[]
  /** Amounts by name, positions and images say, of all steps together, and per second. */
  counts: Record<string, number>
  per_second: Record<string, number>
  /** Floating-point operations of the matrix products per second; null where they are not counted. */
  flops_per_second: number | null
  /** That rate as a share of the machine's, see `MatmulShare`; null where that is not known. */
  matmul_share: number | null
  /** So far. */
  skipped_steps: number
  skipped_documents: number
}

/** What was measured of a sheet of samples, by name; it follows the record of its step. */
export interface SamplesRecord {
  step: number
  samples: Record<string, number>
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
    const norms = finite(reports.map(({ gradientNorm }) => gradientNorm))
    const seconds = last.seconds - this.#since
    const perSecond = (amount: number) => (seconds > 0 ? amount / seconds : 0)
    const terms = meansOf(reports.map(({ terms }) => terms))
    const companionNorms = meansOf(reports.map(({ companionNorms = {} }) => companionNorms))
    const counts = collected(reports.map(({ counts }) => counts)).map(([name, values]): [string, number] => [
      name,
      sum(values),
    ])
    const flops = reports.flatMap(({ flops }) => flops ?? [])
    const flopsPerSecond = flops.length > 0 ? perSecond(sum(flops)) : null
    this.#reports = []
    this.#since = last.seconds
    return {
      step: last.step,
      seconds: last.seconds,
      terms,
      gradient_norm: mean(norms),
      gradient_norm_max: norms.length === 0 ? null : norms.reduce((a, b) => Math.max(a, b)),
      gradient_spikes: sum(reports.map(({ gradientSpike }) => Number(gradientSpike))),
      ...(Object.keys(companionNorms).length > 0 && { companion_norms: companionNorms }),
      learning_rate: last.learningRate,
      ...(last.groupLearningRates && { group_learning_rates: last.groupLearningRates }),
      counts: Object.fromEntries(counts),
      per_second: Object.fromEntries(counts.map(([name, amount]) => [name, perSecond(amount)])),
      flops_per_second: flopsPerSecond,
      matmul_share: flopsPerSecond === null ? null : (this.#share.of(flopsPerSecond) ?? null),
      skipped_steps: last.skippedSteps,
      skipped_documents: last.skippedDocuments ?? 0,
    }
  }
}

const finite = (values: readonly number[]): number[] => values.filter(Number.isFinite)

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** Of those that are finite; null where there are none. */
function mean(values: readonly number[]): number | null {
  const counted = finite(values)
  return counted.length === 0 ? null : sum(counted) / counted.length
}

/** The means of several records' values by name; those of which none is finite are left out. */
const meansOf = (records: readonly Readonly<Record<string, number>>[]): Record<string, number> =>
  Object.fromEntries(
    collected(records)
      .map(([name, values]) => [name, mean(values)] as const)
      .filter((entry): entry is readonly [string, number] => entry[1] !== null),
  )

/** The values of several records by name. */
function collected(records: readonly Readonly<Record<string, number>>[]): [name: string, values: number[]][] {
  const values = new Map<string, number[]>()
  for (const record of records)
    for (const [name, value] of Object.entries(record)) {
      const ofName = values.get(name)
      if (ofName) ofName.push(value)
      else values.set(name, [value])
    }
  return [...values]
}
