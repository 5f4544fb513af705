import type { ChartData } from '../report/chart_data.js'

export type Column = (number | null)[]

/** How all charts are looked at. */
export interface View {
  x: 'steps' | 'seconds'
  log: boolean
  /** 0: none; nearer to 1: over more points. */
  smoothing: number
  /** The part of the x axis that is shown; undefined: all of it. */
  range: [number, number] | undefined
}

/** A running mean that begins without a bias, as TensorBoard's; gaps stay gaps. */
export function smoothed(values: Column, weight: number): Column {
  let [sum, total] = [0, 0]
  return values.map((value) => {
    if (value === null) return null
    sum = weight * sum + (1 - weight) * value
    total = weight * total + (1 - weight)
    return sum / total
  })
}

/** Without what a logarithmic axis cannot show. */
export const positive = (values: Column): Column =>
  values.map((value) => (value !== null && value > 0 ? value : null))

/** Where a step lies on the x axis: by time, between the points around it. */
export function placeOfStep({ steps, seconds }: ChartData, step: number, x: View['x']): number {
  if (x === 'steps') return step
  const after = steps.findIndex((other) => other >= step)
  if (after <= 0) return after === 0 ? seconds[0]! : seconds.at(-1)!
  const share = (step - steps[after - 1]!) / (steps[after]! - steps[after - 1]!)
  return seconds[after - 1]! + share * (seconds[after]! - seconds[after - 1]!)
}

export function readable(value: number): string {
  const size = Math.abs(value)
  if (size >= 1e6) return value.toExponential(2).replace('e+', 'e')
  if (size >= 1000) return Math.round(value).toLocaleString('en')
  if (size > 0 && size < 1e-3) return value.toExponential(2)
  return String(Number(value.toPrecision(4)))
}
