import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkFloat, checkRank } from '../tensor/check.js'
import { emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'softmax',
  forward({ x }: { x: Tensor }) {
    checkFloat('x', x)
    checkRank('x', x, 1, 6)
    const y = emptyLike(x)
    native.softmax(y.handle, x.handle)
    return { output: y, saved: { y } }
  },
  backward(dy, { y }) {
    const dx = emptyLike(y)
    native.softmax_backward(dx.handle, dy.handle, y.handle)
    return { x: dx }
  },
})

/**
 * The softmax over the last axis: y = exp(x) / sum exp(x).
 *
 * x [..., C] of 1 to 6 axes, f32 or bf16 -> y like x.
 * @throws ArgumentError unless x is f32 or bf16, of 1 to 6 axes
 */
export const softmax = (x: Tensor): Tensor => op({ x }, {})
