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
    // In f32 where the argument was broadcast, for the tape sums the product over the broadcast axes.
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
 * Multiplies two tensors element by element: y = a b, with shapes broadcast as in NumPy (aligned at the last axis, sizes
 * of 1 repeated).
 *
 * a, b: both f32 or both bf16 -> y of the broadcast shape and the same dtype.
 * @throws ArgumentError unless the dtypes are the same and the shapes broadcast
 */
export const mul = (a: Tensor, b: Tensor): Tensor => op({ a, b }, {})
