/** How convolutions lie in files of PyTorch's libraries: their weights are [O, I, K, K], ours [O, K, K, I]. */
import type { ParameterValues } from './parameter_values.js'
import type { Parameter } from './parameters.js'

/** The shape of a parameter in the file: of a convolution's weight with its axes moved, of others their own. */
export function convolutionShape({ shape }: Parameter): readonly number[] {
  if (shape.length !== 4) return shape
  const [outputs, height, width, inputs] = shape as [number, number, number, number]
  return [outputs, inputs, height, width]
}

/** Values [O, I, K, K] of a convolution as they lie in the arena; those of other parameters lie alike. */
export const fromStored = <V extends ParameterValues>(values: V, { shape }: Parameter): V =>
  shape.length === 4 ? swapAxes(values, shape[0]!, shape[3]!, shape[1]! * shape[2]!) : values

/** The inverse of `fromStored`. */
export const toStored = <V extends ParameterValues>(values: V, { shape }: Parameter): V =>
  shape.length === 4 ? swapAxes(values, shape[0]!, shape[1]! * shape[2]!, shape[3]!) : values

/** [N, A, B] to [N, B, A]. */
function swapAxes<V extends ParameterValues>(values: V, n: number, a: number, b: number): V {
  const swapped = values.slice() as V
  for (let i = 0; i < n; i++)
    for (let row = 0; row < a; row++)
      for (let column = 0; column < b; column++)
        swapped[(i * b + column) * a + row] = values[(i * a + row) * b + column]!
  return swapped
}
