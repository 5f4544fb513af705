import { elementsOf } from '../../lib/tensor/shape.js'
import type { HostArray } from '../host_array.js'

/** The arrays one after the other along an axis. */
export function concatReference(xs: readonly HostArray[], axis: number): HostArray {
  const first = xs[0]!.shape
  const shape = first.with(
    axis,
    xs.reduce((sum, x) => sum + x.shape[axis]!, 0),
  )
  const data: number[] = []
  for (let outer = 0; outer < elementsOf(first.slice(0, axis)); outer++)
    for (const x of xs) {
      const run = elementsOf(x.shape.slice(axis))
      data.push(...x.data.subarray(outer * run, (outer + 1) * run))
    }
  return { shape, data: Float64Array.from(data) }
}

/** `size` elements of an axis, from `start` on. */
export function sliceReference(x: HostArray, start: number, size: number, axis: number): HostArray {
  const inner = elementsOf(x.shape.slice(axis + 1))
  const data = x.data.filter((_, i) => {
    const place = Math.floor(i / inner) % x.shape[axis]!
    return place >= start && place < start + size
  })
  return { shape: x.shape.with(axis, size), data }
}

/** Two axes in each other's place. */
export function transposeReference(x: HostArray, axis0: number, axis1: number): HostArray {
  const shape = x.shape.with(axis0, x.shape[axis1]!).with(axis1, x.shape[axis0]!)
  const data = new Float64Array(x.data.length)
  x.data.forEach((value, i) => {
    const places = x.shape.map((size, axis) => Math.floor(i / elementsOf(x.shape.slice(axis + 1))) % size)
    const swapped = places.with(axis0, places[axis1]!).with(axis1, places[axis0]!)
    data[swapped.reduce((index, place, axis) => index * shape[axis]! + place, 0)] = value
  })
  return { shape, data }
}
