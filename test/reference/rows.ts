import { elementsOf, type Shape } from '../../lib/tensor/shape.js'
import type { HostArray } from '../host_array.js'

/** y[i] = x[rows[i]], zeros for -1. */
export function gatherReference(x: HostArray, rows: Int32Array): HostArray {
  const C = elementsOf(x.shape.slice(1))
  const data = new Float64Array(rows.length * C)
  rows.forEach((row, i) => row >= 0 && data.set(x.data.subarray(row * C, (row + 1) * C), i * C))
  return { shape: [rows.length, ...x.shape.slice(1)], data }
}

/** base with x[i] added to row rows[i]. */
export function scatterAddReference(base: HostArray, x: HostArray, rows: Int32Array): HostArray {
  const C = elementsOf(base.shape.slice(1))
  const data = base.data.slice()
  rows.forEach((row, i) => {
    if (row >= 0) for (let c = 0; c < C; c++) data[row * C + c]! += x.data[i * C + c]!
  })
  return { shape: base.shape, data }
}

/** R, shape of a row, and rows: repeated, in no order, -1, none. */
export const rowCases: readonly (readonly [number, Shape, readonly number[]])[] = [
  [1, [1], [0]],
  [5, [31], [4, -1, 0, 4, 4, 2, -1]],
  [7, [3, 11], [6, 6, 6, 6, 5, 5, 0]],
  [40, [33], Array.from({ length: 67 }, (_, i) => ((i * 29) % 41) - 1)],
  [3, [4099], [2, 0, 2]],
  [4, [2], [-1, -1]],
  [4, [2], []],
  [3, [], [1, -1, 1]],
]
