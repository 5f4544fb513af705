import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkAxis } from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

function transposed(x: Tensor, axis0: number, axis1: number): Tensor {
  const shape = x.shape.with(axis0, x.shape[axis1]!).with(axis1, x.shape[axis0]!)
  const y = empty(shape, x.dtype)
  if (axis0 === axis1) native.cast(y.handle, x.handle)
  else native.transpose(y.handle, x.handle, axis0, axis1)
  return y
}

const op = defineOp({
  name: 'transpose',
  forward({ x }: { x: Tensor }, options: { axis0: number; axis1: number }) {
    const axis0 = checkAxis('axis0', options.axis0, x.rank)
    const axis1 = checkAxis('axis1', options.axis1, x.rank)
    return { output: transposed(x, axis0, axis1), saved: { axis0, axis1 } }
  },
  backward: (dy, { axis0, axis1 }) => ({ x: transposed(dy, axis0, axis1) }),
})

/**
 * Exchanges two axes of x: a copy. Negative axes count from the last.
 *
 * x of any dtype -> y of x's dtype, with the sizes of the two axes exchanged.
 * @throws ArgumentError where an axis is none of x's
 */
export const transpose = (x: Tensor, axis0: number, axis1: number): Tensor => op({ x }, { axis0, axis1 })
