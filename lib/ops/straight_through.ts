import { defineOp } from '../autograd/op.js'
import { checkDType, checkFloat, checkShape } from '../tensor/check.js'
import type { Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'straight_through',
  forward({ x, quantized }: { x: Tensor; quantized: Tensor }) {
    checkFloat('x', x)
    checkShape('quantized', quantized, x.shape)
    checkDType('quantized', quantized, x.dtype)
    return { output: quantized.view(quantized.shape), saved: {} }
  },
  backward: (dy) => ({ x: dy }),
})

/**
 * The straight-through estimator (Bengio et al. 2013): the values of `quantized`, and the derivative of x, as if rounding
 * were no op. y shares the memory of `quantized`, which gets no gradient through it.
 *
 * x and quantized of any shape, f32 or bf16 -> y like both.
 * @throws ArgumentError unless shapes and dtypes are the same
 */
export const straightThrough = (x: Tensor, quantized: Tensor): Tensor => op({ x, quantized }, {})
