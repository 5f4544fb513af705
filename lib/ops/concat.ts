import { defineOp } from '../autograd/op.js'
import { ArgumentError, checkAxis, checkDType, checkRank, checkShape } from '../tensor/check.js'
import type { Tensor } from '../tensor/tensor.js'
import { cutAlong, joinAlong } from './along_axis.js'

const op = defineOp({
  name: 'concat',
  lists: ['xs'],
  forward({ xs }: { xs: readonly Tensor[] }, options: { axis: number }) {
    const first = xs[0]
    if (!first) throw new ArgumentError('xs', 'hold at least one tensor', 'none')
    checkRank('xs[0]', first, 1, 6)
    const axis = checkAxis('axis', options.axis, first.rank)
    xs.forEach((x, i) => {
      checkDType(`xs[${i}]`, x, first.dtype)
      checkShape(`xs[${i}]`, x, first.shape.with(axis, -1))
    })
    return { output: joinAlong(xs, axis), saved: { axis, sizes: xs.map((x) => x.size(axis)) } }
  },
  backward: (dy, { axis, sizes }) => ({ xs: cutAlong(dy, sizes, axis) }),
})

/**
 * Joins tensors along an axis, in their order: a copy. A negative axis counts from the last.
 *
 * xs: one or more tensors of 1 to 6 axes, of one dtype, any, and of one shape but for that axis -> y with the sizes of
 * that axis added up. `split` is its inverse.
 * @throws ArgumentError where there is no tensor, or dtypes or other axes differ
 */
export const concat = (xs: readonly Tensor[], axis: number): Tensor => op({ xs }, { axis })
