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

/**
 * Gives x's elements, in their order, another shape. y shares x's memory.
 *
 * x [...] of any dtype -> y of this shape and x's dtype. One size may be -1: what the elements leave for it.
 * @throws ArgumentError unless the shape has as many elements as x
 */
export const reshape = (x: Tensor, shape: Shape): Tensor => op({ x }, { shape })
