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

/** y = exp(x) / sum exp(x) over the last axis. x [..., C], floating point -> [..., C]. */
export const softmax = (x: Tensor): Tensor => op({ x }, {})
