import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkShape } from '../tensor/check.js'
import { emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'with_gradient',
  constants: ['value', 'gradient'],
  forward({ x, value, gradient }: { x: Tensor; value: Tensor; gradient: Tensor }, _options: object) {
    checkDType('x', x, 'f32')
    checkShape('gradient', gradient, x.shape)
    checkDType('gradient', gradient, 'f32')
    if (value.elements !== 1) throw new ArgumentError('value', 'have one element', value)
    checkDType('value', value, 'f32')
    return { output: value.view(value.shape), saved: { gradient } }
  },
  backward(dy, { gradient }) {
    const dx = emptyLike(gradient)
    native.mul(dx.handle, gradient.handle, dy.view([]).handle)
    return { x: dx }
  },
})

/**
 * A loss whose value and gradient at `x` are known: `value`, with `gradient` as its derivative with respect to x. So a loss
 * that was differentiated at x by itself is part of another's tape (see `valueAndGradients`).
 *
 * x [...] f32, value of one element and gradient [...] f32, which are on no tape -> value.
 * @throws ArgumentError unless shapes and dtypes fit
 */
export const withGradient = (x: Tensor, value: Tensor, gradient: Tensor): Tensor =>
  op({ x, value, gradient }, {})
