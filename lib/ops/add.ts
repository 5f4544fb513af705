import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkBroadcast, checkDType, checkFloat } from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'add',
  forward({ a, b }: { a: Tensor; b: Tensor }) {
    checkFloat('a', a)
    checkDType('b', b, a.dtype)
    const y = empty(checkBroadcast('b', b, 'a', a), a.dtype)
    native.add(y.handle, a.handle, b.handle)
    return { output: y, saved: {} }
  },
  backward: (dy) => ({ a: dy, b: dy }),
})

/**
 * Adds two tensors element by element: y = a + b, with shapes broadcast as in NumPy (aligned at the last axis, sizes of
 * 1 repeated).
 *
 * a, b: both f32 or both bf16 -> y of the broadcast shape and the same dtype.
 * @throws ArgumentError unless the dtypes are the same and the shapes broadcast
 */
export const add = (a: Tensor, b: Tensor): Tensor => op({ a, b }, {})
