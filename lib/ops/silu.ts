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

/**
 * The SiLU activation, element by element: y = x / (1 + exp(-x)).
 *
 * x [...] f32 or bf16 -> y like x. Source: Elfwing et al. 2018.
 * @throws ArgumentError unless x is f32 or bf16
 */
export const silu = (x: Tensor): Tensor => op({ x }, {})
