import { defineOp } from '../autograd/op.js'
import { ArgumentError, checkIntegers } from '../tensor/check.js'
import type { Shape } from '../tensor/shape.js'
import type { Tensor } from '../tensor/tensor.js'
import { completeShape, elementsOf, formatShape } from '../tensor/shape.js'

const op = defineOp({
  name: 'reshape',
  forward({ x }: { x: Tensor }, { shape }: { shape: Shape }) {
    checkIntegers('shape', shape, -1)
    if (elementsOf(completeShape(shape, x.elements)) !== x.elements)
      throw new ArgumentError('shape', `have the ${x.elements} elements of x`, formatShape(shape))
    return { output: x.view(shape), saved: { shape: x.shape } }
  },
  backward: (dy, { shape }) => ({ x: dy.view(shape) }),
})

/** x's elements in another shape, sharing its memory; one size may be -1. */
export const reshape = (x: Tensor, shape: Shape): Tensor => op({ x }, { shape })
