import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkFloat } from '../tensor/check.js'
import { emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'silu',
  forward({ x }: { x: Tensor }) {
    checkFloat('x', x)
    const y = emptyLike(x)
    native.silu(y.handle, x.handle)
    return { output: y, saved: { x } }
  },
  backward(dy, { x }) {
    const dx = emptyLike(x)
    native.silu_backward(dx.handle, dy.handle, x.handle)
    return { x: dx }
  },
})

/** y = x / (1 + exp(-x)), element by element. Any floating-point x. */
export const silu = (x: Tensor): Tensor => op({ x }, {})
