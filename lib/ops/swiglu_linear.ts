import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { emptyLike, type Tensor } from '../tensor/tensor.js'
import { checkWeight, multiply, multiplyBackward, rowsOf } from './linear.js'
import { activate, checkGateUp } from './swiglu.js'

const op = defineOp({
  name: 'swiglu_linear',
  forward({ x, weight }: { x: Tensor; weight: Tensor }) {
    checkGateUp(x)
    checkWeight(weight, x.size(-1) / 2, x.dtype)
    const activated = activate(x)
    const y = multiply(activated, weight)
    activated.free()
    return { output: y, saved: { x, weight } }
  },
  backward(dy, { x, weight }, request) {
    const activated = activate(x)
    const dactivated = multiplyBackward(rowsOf(dy), activated, weight, request)
    activated.free()
    if (!dactivated) return {}
    const dx = emptyLike(x)
    native.swiglu_backward(dx.handle, dactivated.handle, x.handle)
    return { x: dx }
  },
})

/**
 * linear(swiglu(x), weight) in less memory: the backward pass computes the activation again instead of keeping it. At a
 * hidden block's sizes that saves a sixth of what training keeps, for a hundredth of its time.
 *
 * x [..., 2 F], gate, then up; weight [O, F]; both f32 or both bf16 -> y [..., O] of their dtype.
 * @throws ArgumentError unless shapes and dtypes fit
 */
export const swigluLinear = (x: Tensor, weight: Tensor): Tensor => op({ x, weight }, {})
