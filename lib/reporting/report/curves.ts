import type { MetricsRecord, SamplesRecord } from '../interval.js'
import type { ChartData } from './chart_data.js'

/** The measures that a record has by these names; besides, its loss has terms, and its counts are rates. */
const fixedMeasures = [
  'gradient_norm',
  'learning_rate',
  'matmul_share',
  'skipped_steps',
  'skipped_documents',
] as const satisfies readonly (keyof MetricsRecord)[]

/** What a measure is called that is a term of the loss. */
export const termMeasure = (term: string): string => `loss/${term}`
/** What a measure is called that was taken of samples. */
export const samplesMeasure = (name: string): string => `samples/${name}`
/** What a measure is called that is a count per second. */
export const rateMeasure = (count: string): string => `${count}_per_second`

/** The term that a measure is of; undefined where it is of none. */
export const termOf = (measure: string): string | undefined => /^loss\/(.*)$/.exec(measure)?.[1]
/** What of samples a measure is; undefined where it is of none. */
export const samplesOf = (measure: string): string | undefined => /^samples\/(.*)$/.exec(measure)?.[1]
/** The count whose rate a measure is; undefined where it is none's. */
export const rateOf = (measure: string): string | undefined => /^(.*)_per_second$/.exec(measure)?.[1]

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
  /** By measure. */
  values: Map<string, Summary>
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
  readonly #totals = new Map<string, Summary>()
  readonly #first = new Map<string, number>()
  #spikes = 0
  #lastStep = 0

  /** `limit`: an even number. */
  constructor(limit = 4096) {
    this.#limit = limit
  }

  /**
   * Adds the record of a later step, or what was measured of samples at the last one. Returns whether it is one: its step must
   * be beyond those before.
   */
  add(record: MetricsRecord | SamplesRecord): boolean {
    if ('samples' in record) return this.#addSamples(record)
    if (!(record.step > this.#lastStep)) return false
    this.#lastStep = record.step
    const last = this.#points.at(-1)
    const point = pointOf(record, last?.seconds ?? 0)
    this.#spikes += point.spikes
    for (const [measure, { last }] of point.values)
      if (!this.#first.has(measure)) this.#first.set(measure, last)
    mergeValues(this.#totals, point.values)
    if (last && last.records < this.#stride) mergePoints(last, point)
    else {
      if (this.#points.length === this.#limit) this.#halve()
      this.#points.push(point)
    }
    return true
  }

  #addSamples({ step, samples }: SamplesRecord): boolean {
    const last = this.#points.at(-1)
    if (!last || step !== this.#lastStep) return false
    const values = new Map(
      Object.entries(samples).flatMap(([name, value]) =>
        isNumber(value) ? [[samplesMeasure(name), summaryOf(value)] as const] : [],
      ),
    )
    for (const [measure, { last }] of values) if (!this.#first.has(measure)) this.#first.set(measure, last)
    mergeValues(this.#totals, values)
    mergeValues(last.values, values)
    return true
  }

  /** The last step, and what was measured over all of them. */
  get summary() {
    const last = this.#points.at(-1)
    return {
      step: this.#lastStep,
      seconds: last?.seconds ?? 0,
      spikes: this.#spikes,
      first: this.#first as ReadonlyMap<string, number>,
      totals: this.#totals as ReadonlyMap<string, Readonly<Summary>>,
    }
  }

  /** Records that one point sums up. */
  get stride(): number {
    return this.#stride
  }

  /** The curves, with numbers of five digits. Measures that no record has are left out. */
  chartData(): Omit<ChartData, 'resumed'> {
    const column = (measure: string, value: (summary: Summary) => number) =>
      this.#points.map(({ values }) => {
        const summary = values.get(measure)
        return summary ? rounded(value(summary)) : null
      })
    // The height of a spike is seen even where a point is one record, which sums up several steps.
    const ranged = (measure: string) => this.#stride > 1 || measure === 'gradient_norm'
    const series = [...this.#totals.keys()].map((measure) => [
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
export const isCount = (measure: string): boolean => ['skipped_steps', 'skipped_documents'].includes(measure)

/** `since`: the seconds of the point before, which charts need to go on from. */
function pointOf(record: MetricsRecord, since: number): Point {
  const values = new Map<string, Summary>()
  const add = (measure: string, value: unknown, high: unknown = value) => {
    if (isNumber(value)) values.set(measure, { ...summaryOf(value), ...(isNumber(high) && { high }) })
  }
  for (const [term, value] of Object.entries(record.terms ?? {})) add(termMeasure(term), value)
  for (const [count, value] of Object.entries(speedOf(record))) add(rateMeasure(count), value)
  for (const measure of fixedMeasures)
    add(measure, record[measure], measure === 'gradient_norm' ? record.gradient_norm_max : undefined)
  const spikes = isNumber(record.gradient_spikes) ? record.gradient_spikes : 0
  return {
    step: record.step,
    seconds: isNumber(record.seconds) ? Math.max(record.seconds, since) : since,
    spikes,
    records: 1,
    values,
  }
}

/** In positions where they are counted: what else is, is a part of them. */
function speedOf({ per_second: rates = {} }: MetricsRecord): Record<string, number> {
  const { positions } = rates
  return positions === undefined ? rates : { positions }
}

/** Of one value. */
const summaryOf = (value: number): Summary => ({ sum: value, count: 1, low: value, high: value, last: value })

/** A record comes from a file: it may hold anything. */
const isNumber = (value: unknown): value is number => typeof value === 'number'

function mergePoints(point: Point, later: Point): void {
  point.step = later.step
  point.seconds = later.seconds
  point.spikes += later.spikes
  point.records += later.records
  mergeValues(point.values, later.values)
}

function mergeValues(values: Map<string, Summary>, later: ReadonlyMap<string, Summary>): void {
  for (const [measure, summary] of later) {
    const earlier = values.get(measure)
    if (earlier) merge(earlier, summary)
    else values.set(measure, { ...summary })
  }
}

function merge(summary: Summary, later: Summary): void {
  summary.sum += later.sum
  summary.count += later.count
  summary.low = Math.min(summary.low, later.low)
  summary.high = Math.max(summary.high, later.high)
  summary.last = later.last
}

const rounded = (value: number): number => Number(value.toPrecision(5))
