/** Of a list of numbers; NaN of none. */
export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Sum of the squared distances from the mean. */
export function squaredDeviations(values: readonly number[]): number {
  const middle = mean(values)
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0)
}

/** Of a sample of at least two. */
export const variance = (values: readonly number[]): number => squaredDeviations(values) / (values.length - 1)
