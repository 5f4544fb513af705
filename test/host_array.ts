import { fromArray, type Tensor } from '../lib/tensor/tensor.js'
import { elementsOf, type Shape } from '../lib/tensor/shape.js'

/** A float64 array with a shape: what references compute on. */
export interface HostArray {
  shape: Shape
  data: Float64Array
}

export const hostArray = (shape: Shape, data: ArrayLike<number>): HostArray => ({
  shape,
  data: Float64Array.from(data),
})

/** A small deterministic generator (mulberry32), uniform in [0, 1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Values of roughly unit variance, uniform in -scale..scale. */
export function randomArray(shape: Shape, seed = 1, scale = 1.7): HostArray {
  const next = generator(seed * 7919 + elementsOf(shape))
  return { shape, data: Float64Array.from({ length: elementsOf(shape) }, () => (2 * next() - 1) * scale) }
}

/** Integers in 0..bound - 1. */
export function randomInts(length: number, bound: number, seed = 1): Int32Array {
  const next = generator(seed * 104729 + length)
  return Int32Array.from({ length }, () => Math.floor(next() * bound))
}

/** Rounded to nearest even bf16, as a number. */
export function roundToBf16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)
  if (Number.isNaN(value)) return NaN
  bits[0] = (bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) & 0xffff0000
  return new Float32Array(bits.buffer)[0]!
}

/** The array as it will be seen by a kernel of this dtype. */
export function roundTo(array: HostArray, dtype: 'f32' | 'bf16'): HostArray {
  const round = dtype === 'f32' ? Math.fround : roundToBf16
  return { shape: array.shape, data: array.data.map(round) }
}

export const toTensor = (array: HostArray, dtype: 'f32' | 'bf16' = 'f32'): Tensor =>
  fromArray(Float32Array.from(array.data), array.shape, dtype)
