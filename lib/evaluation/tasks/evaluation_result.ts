import type { WeightKind } from '../../nn/weight_kinds.js'
import type { ComputeType } from '../../nn/arena.js'

/** One number, with the count of what it was measured on and its standard error where there are such. */
export interface Metric {
  /** What was measured. */
  value: number
  /** Of the value, in its unit. */
  standard_error?: number
  /** The number of things that it was measured on. */
  count?: number
}

/** The result of one task, as `eval.json` holds it. */
export interface EvaluationResult {
  /** The task's name in the config. */
  task: string
  /** What it was measured on. */
  data: string
  /** The task's settings, defaults filled in. */
  settings: object
  /** By name. */
  metrics: Record<string, Metric>
  /** How long it took. */
  seconds: number
}

/** The mean of independent values, with its standard error: their sample standard deviation over sqrt(n). */
export function meanMetric(values: readonly number[]): Metric {
  const count = values.length
  const value = values.reduce((sum, x) => sum + x, 0) / count
  const squares = values.reduce((sum, x) => sum + (x - value) ** 2, 0)
  return withError(value, squares / count, count)
}

/** A share of `count` independent trials, with its standard error as that of a mean of ones and zeros. */
export const shareMetric = (value: number, count: number): Metric =>
  withError(value, value * (1 - value), count)

/** The mean of independent shares, each counting alike. */
export function meanOfShares(shares: readonly Metric[]): Metric {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  const variance = sum(shares.map(({ standard_error = 0 }) => standard_error ** 2))
  return {
    value: sum(shares.map(({ value }) => value)) / shares.length,
    standard_error: Math.sqrt(variance) / shares.length,
    count: sum(shares.map(({ count = 0 }) => count)),
  }
}

/** One value has no standard error. */
const withError = (value: number, variance: number, count: number): Metric => ({
  value,
  ...(count > 1 && { standard_error: Math.sqrt(variance / (count - 1)) }),
  count,
})

/** What was measured of a model whose weights are kept in one way. */
export interface MeasuredModel {
  /** How many it has. */
  readonly parameters: number
  /** What it computed in. */
  readonly precision: ComputeType
  /** Absent where they are kept as the model's folder has them. */
  readonly weights?: WeightKind
  /** One for each task. */
  readonly results: readonly EvaluationResult[]
}

/** What of a model's results is shown. */
type ShownModel = Pick<MeasuredModel, 'weights' | 'results'>

/** A table for the terminal: a heading for each task, a line for each metric, a column for each model. */
export function formatResults(models: readonly ShownModel[]): string {
  const [first, ...others] = models as [ShownModel, ...ShownModel[]]
  const names = first.results.flatMap(({ metrics }) => Object.keys(metrics))
  const width = Math.max(...names.map((name) => name.length))
  const heads = `  ${' '.repeat(width)}  ${models.map(({ weights = '' }) => weights.padStart(9).padEnd(21)).join('  ')}`
  return first.results
    .map(({ task, data, metrics, seconds }, i) => {
      const lines = Object.entries(metrics).map(([name, metric]) => {
        const columns = [metric, ...others.map(({ results }) => results[i]!.metrics[name]!)].map(formatValue)
        const { count } = metric
        const of = count === undefined ? '' : `n = ${count.toLocaleString('en')}`
        return `  ${name.padEnd(width)}  ${[...columns, of].join('  ')}`.trimEnd()
      })
      const head = others.length > 0 ? [heads.trimEnd()] : []
      return [`${task}: ${data} (${seconds.toFixed(1)} s)`, ...head, ...lines].join('\n')
    })
    .join('\n\n')
}

function formatValue({ value, standard_error }: Metric): string {
  const error = standard_error === undefined ? '' : `± ${significant(standard_error, 2)}`
  return `${significant(value, 4).padStart(9)}  ${error.padEnd(10)}`
}

const significant = (value: number, digits: number): string =>
  Math.abs(value) >= 10 ** digits
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(digits)))
