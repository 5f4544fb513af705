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
 * y = a + b, shapes broadcast as in NumPy: aligned at the last axis, sizes of 1 repeated.
 * a, b of one floating-point dtype. Throws an ArgumentError when the shapes do not fit.
 */
export const add = (a: Tensor, b: Tensor): Tensor => op({ a, b }, {})
