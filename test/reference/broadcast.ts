import { elementsOf, type Shape } from '../../lib/tensor/shape.js'
import type { HostArray } from '../host_array.js'

/** For each element of `shape`, which element of an array of shape `from` it is under NumPy's broadcasting. */
export function broadcastIndices(from: Shape, shape: Shape): number[] {
  return Array.from({ length: elementsOf(shape) }, (_, position) => {
    let index = 0
    let step = 1
    for (let back = 1; back <= shape.length; back++) {
      const size = shape[shape.length - back]!
      const own = from[from.length - back] ?? 1
      index += own === 1 ? 0 : step * (position % size)
      step *= own
      position = Math.floor(position / size)
    }
    return index
  })
}

/** combine(a, b) over the shape that they broadcast to. */
export function combine(
  a: HostArray,
  b: HostArray,
  shape: Shape,
  combine: (a: number, b: number) => number,
): HostArray {
  const ofA = broadcastIndices(a.shape, shape)
  const ofB = broadcastIndices(b.shape, shape)
  return { shape, data: Float64Array.from(ofA, (i, n) => combine(a.data[i]!, b.data[ofB[n]!]!)) }
}

/** Pairs of shapes and what they broadcast to: one run, rows, columns, scalars, middle axes, six axes, none. */
export const broadcastCases: readonly (readonly [Shape, Shape, Shape])[] = [
  [[], [], []],
  [[1], [1, 1], [1, 1]],
  [[31], [31], [31]],
  [[3, 4099], [4099], [3, 4099]],
  [[33], [2, 31, 33], [2, 31, 33]],
  [[5, 31], [1], [5, 31]],
  [
    [7, 1],
    [7, 33],
    [7, 33],
  ],
  [
    [7, 1],
    [1, 33],
    [7, 33],
  ],
  [
    [2, 3, 5],
    [2, 1, 5],
    [2, 3, 5],
  ],
  [
    [2, 1, 3, 1, 2, 1],
    [3, 1, 5, 1, 3],
    [2, 3, 3, 5, 2, 3],
  ],
  [[0, 3], [3], [0, 3]],
]
