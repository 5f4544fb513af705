import { defineOp } from '../autograd/op.js'
import { ArgumentError, checkAxis, checkIntegers } from '../tensor/check.js'
import { formatShape } from '../tensor/shape.js'
import type { Tensor } from '../tensor/tensor.js'
import { cutAlong, joinAlong } from './along_axis.js'

const op = defineOp({
  name: 'split',
  forward({ x }: { x: Tensor }, options: { sizes: readonly number[]; axis: number }) {
    const { sizes } = options
    const axis = checkAxis('axis', options.axis, x.rank)
    checkIntegers('sizes', sizes, 0)
    if (sizes.reduce((sum, size) => sum + size, 0) !== x.size(axis))
      throw new ArgumentError('sizes', `sum to ${x.size(axis)}, axis ${axis} of x`, formatShape(sizes))
    return { output: cutAlong(x, sizes, axis), saved: { axis } }
  },
  backward: (dys: readonly Tensor[], { axis }) => ({ x: joinAlong(dys, axis) }),
})

/**
 * Consecutive parts of x along an axis (negative: from the last), copied: one tensor for each size. The sizes sum to
 * the axis. Any dtype.
 */
export const split = (x: Tensor, sizes: readonly number[], axis: number): readonly Tensor[] =>
  op({ x }, { sizes, axis })
