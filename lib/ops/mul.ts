import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkBroadcast, checkDType, checkFloat } from '../tensor/check.js'
import { sameShape, type Shape } from '../tensor/shape.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'mul',
  forward({ a, b }: { a: Tensor; b: Tensor }) {
    checkFloat('a', a)
    checkDType('b', b, a.dtype)
    const y = empty(checkBroadcast('b', b, 'a', a), a.dtype)
    native.mul(y.handle, a.handle, b.handle)
    return { output: y, saved: { a, b } }
  },
  backward(dy, { a, b }, request) {
    // In f32 where the tape is going to sum over what was repeated.
    const timesDy = (other: Tensor, shape: Shape) => {
      const product = empty(dy.shape, sameShape(shape, dy.shape) ? dy.dtype : 'f32')
      native.mul(product.handle, dy.handle, other.handle)
      return product
    }
    return {
      a: request.wants('a') ? timesDy(b, a.shape) : undefined,
      b: request.wants('b') ? timesDy(a, b.shape) : undefined,
    }
  },
})

/**
 * y = a b element by element, shapes broadcast as in NumPy: aligned at the last axis, sizes of 1 repeated.
 * a, b of one floating-point dtype. Throws an ArgumentError when the shapes do not fit.
 */
export const mul = (a: Tensor, b: Tensor): Tensor => op({ a, b }, {})
