import type { MetricsRecord } from '../interval.js'
import type { ChartData } from './chart_data.js'

/** The measures that have a curve. */
export const measures = [
  'lm',
  'diffusion',
  'gradient_norm',
  'learning_rate',
  'positions_per_second',
  'matmul_share',
  'skipped_steps',
  'skipped_documents',
] as const satisfies readonly (keyof MetricsRecord)[]

export type Measure = (typeof measures)[number]

/** One measure over the records of a point. */
interface Summary {
  sum: number
  count: number
  low: number
  high: number
  last: number
}

interface Point {
  step: number
  seconds: number
  spikes: number
  records: number
  values: Record<Measure, Summary>
}

/**
 * Curves of a run of any length in bounded memory: once there are `limit` points, each two neighbours become one, which
 * keeps the lowest and the highest value of all its records, and the number of spikes.
 */
export class Curves {
  #points: Point[] = []
  /** Records that a point sums up. */
  #stride = 1
  readonly #limit: number
  readonly #totals = emptyValues()
  #first: Partial<Record<Measure, number>> = {}
  #spikes = 0
  #lastStep = 0

  /** `limit`: an even number. */
  constructor(limit = 4096) {
    this.#limit = limit
  }

  /** Adds the record of a later step. Returns whether it is one: its step must be beyond those before. */
  add(record: MetricsRecord): boolean {
    if (!(record.step > this.#lastStep)) return false
    this.#lastStep = record.step
    const last = this.#points.at(-1)
    const point = pointOf(record, last?.seconds ?? 0)
    this.#spikes += point.spikes
    for (const measure of measures) {
      if (point.values[measure].count > 0) this.#first[measure] ??= point.values[measure].last
      merge(this.#totals[measure], point.values[measure])
    }
    if (last && last.records < this.#stride) mergePoints(last, point)
    else {
      if (this.#points.length === this.#limit) this.#halve()
      this.#points.push(point)
    }
    return true
  }

  /** The last step, and what was measured over all of them. */
  get summary() {
    const last = this.#points.at(-1)
    return {
      step: this.#lastStep,
      seconds: last?.seconds ?? 0,
      spikes: this.#spikes,
      first: this.#first,
      totals: this.#totals as Readonly<Record<Measure, Readonly<Summary>>>,
    }
  }

  /** Records that one point sums up. */
  get stride(): number {
    return this.#stride
  }

  /** The curves, with numbers of five digits. Measures that no record has are left out. */
  chartData(): Omit<ChartData, 'resumed'> {
    const column = (measure: Measure, value: (summary: Summary) => number) =>
      this.#points.map(({ values: { [measure]: summary } }) =>
        summary.count === 0 ? null : rounded(value(summary)),
      )
    // The height of a spike is seen even where a point is one record, which sums up several steps.
    const ranged = (measure: Measure) => this.#stride > 1 || measure === 'gradient_norm'
    const series = measures
      .filter((measure) => this.#totals[measure].count > 0)
      .map((measure) => [
        measure,
        {
          mean: column(measure, isCount(measure) ? ({ last }) => last : ({ sum, count }) => sum / count),
          ...(ranged(measure) && {
            low: column(measure, ({ low }) => low),
            high: column(measure, ({ high }) => high),
          }),
        },
      ])
    return {
      steps: this.#points.map(({ step }) => step),
      seconds: this.#points.map(({ seconds }) => Number(seconds.toFixed(1))),
      series: Object.fromEntries(series),
      spikes: this.#points.map(({ spikes }) => spikes),
    }
  }

  #halve(): void {
    this.#points = this.#points.filter((point, i) => {
      if (i % 2 === 0) mergePoints(point, this.#points[i + 1]!)
      return i % 2 === 0
    })
    this.#stride *= 2
  }
}

/** Counts so far: of several the last one stands. */
export const isCount = (measure: Measure): boolean => measure.startsWith('skipped_')

/** `since`: the seconds of the point before, which charts need to go on from. */
function pointOf(record: MetricsRecord, since: number): Point {
  const values = emptyValues()
  for (const measure of measures) {
    const value = record[measure]
    if (!isNumber(value)) continue
    const high = measure === 'gradient_norm' ? record.gradient_norm_max : value
    values[measure] = { sum: value, count: 1, low: value, high: isNumber(high) ? high : value, last: value }
  }
  const spikes = isNumber(record.gradient_spikes) ? record.gradient_spikes : 0
  return {
    step: record.step,
    seconds: isNumber(record.seconds) ? Math.max(record.seconds, since) : since,
    spikes,
    records: 1,
    values,
  }
}

/** A record comes from a file: it may hold anything. */
const isNumber = (value: unknown): value is number => typeof value === 'number'

const emptyValues = (): Record<Measure, Summary> =>
  Object.fromEntries(
    measures.map((measure) => [measure, { sum: 0, count: 0, low: Infinity, high: -Infinity, last: NaN }]),
  ) as Record<Measure, Summary>

function mergePoints(point: Point, later: Point): void {
  point.step = later.step
  point.seconds = later.seconds
  point.spikes += later.spikes
  point.records += later.records
  for (const measure of measures) merge(point.values[measure], later.values[measure])
}

function merge(summary: Summary, later: Summary): void {
  if (later.count === 0) return
  summary.sum += later.sum
  summary.count += later.count
  summary.low = Math.min(summary.low, later.low)
  summary.high = Math.max(summary.high, later.high)
  summary.last = later.last
}

const rounded = (value: number): number => Number(value.toPrecision(5))
