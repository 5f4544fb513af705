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
 * Cuts x along an axis into consecutive parts of these sizes: copies. A negative axis counts from the last.
 *
 * x of any dtype, `sizes` that add up to the axis -> one tensor for each size, of x's shape but for that axis, and x's
 * dtype. `concat` is its inverse.
 * @throws ArgumentError unless the sizes add up to the axis
 */
export const split = (x: Tensor, sizes: readonly number[], axis: number): readonly Tensor[] =>
  op({ x }, { sizes, axis })
