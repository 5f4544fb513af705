import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkAxis, checkFloat, checkIntegers } from '../tensor/check.js'
import { broadcastShapes, formatShape, sameShape, type Shape } from '../tensor/shape.js'
import { empty, type Tensor } from '../tensor/tensor.js'

interface Options {
  axes: readonly number[] | undefined
  keepDims: boolean
}

/** y = factor(n) times the sum over n elements. */
const reduction = (name: string, factor: (count: number) => number) =>
  defineOp({
    name,
    forward({ x }: { x: Tensor }, { axes, keepDims }: Options) {
      checkFloat('x', x)
      if (axes) checkIntegers('axes', axes, Number.MIN_SAFE_INTEGER)
      const reduced = new Set(axes?.map((axis, i) => checkAxis(`axes[${i}]`, axis, x.rank)) ?? x.shape.keys())
      const kept = x.shape.map((size, axis) => (reduced.has(axis) ? 1 : size))
      const scale = factor([...reduced].reduce((count, axis) => count * x.shape[axis]!, 1))
      const y = empty(keepDims ? kept : x.shape.filter((_, axis) => !reduced.has(axis)), x.dtype)
      using aligned = y.view(kept)
      native.sum_to(aligned.handle, x.handle, scale)
      return { output: y, saved: { shape: x.shape, kept, scale } }
    },
    backward(dy, { shape, kept, scale }) {
      const dx = empty(shape, dy.dtype)
      native.broadcast_to(dx.handle, dy.view(kept).handle, scale)
      return { x: dx }
    },
  })

const sumOp = reduction('sum', () => 1)
const meanOp = reduction('mean', (count) => 1 / count)

/**
 * Sums over some axes, by default all; a negative axis counts from the last. Summed axes are dropped from the shape, or
 * kept with size 1 where `keepDims` is set.
 *
 * x [...] f32 or bf16 -> y of x's dtype; sums are taken in f32.
 * @throws ArgumentError where an axis is none of x's
 */
export const sum = (x: Tensor, axes?: readonly number[], keepDims = false): Tensor =>
  sumOp({ x }, { axes, keepDims })

/**
 * Means over some axes, by default all; axes and shapes as in `sum`. The mean of no elements is NaN.
 *
 * x [...] f32 or bf16 -> y of x's dtype; sums are taken in f32.
 * @throws ArgumentError where an axis is none of x's
 */
export const mean = (x: Tensor, axes?: readonly number[], keepDims = false): Tensor =>
  meanOp({ x }, { axes, keepDims })

const broadcastOp = defineOp({
  name: 'broadcast_to',
  forward({ x }: { x: Tensor }, { shape }: { shape: Shape }) {
    checkFloat('x', x)
    checkIntegers('shape', shape, 0)
    const reached = broadcastShapes(x.shape, shape)
    if (!reached || !sameShape(reached, shape))
      throw new ArgumentError(
        'shape',
        `be one that ${formatShape(x.shape)} broadcasts to`,
        formatShape(shape),
      )
    const y = empty(shape, x.dtype)
    using aligned = x.view([...Array<number>(shape.length - x.rank).fill(1), ...x.shape])
    native.broadcast_to(y.handle, aligned.handle, 1)
    return { output: y, saved: {} }
  },
  // The tape sums a gradient over the axes that were broadcast.
  backward: (dy) => ({ x: dy }),
})

/**
 * Repeats x to a larger shape, as NumPy broadcasts: aligned at the last axis, sizes of 1 repeated; a copy.
 *
 * x [...] f32 or bf16 -> y of this shape and x's dtype.
 * @throws ArgumentError where x does not broadcast to the shape
 */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor => broadcastOp({ x }, { shape })
