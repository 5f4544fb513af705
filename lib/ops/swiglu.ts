import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkFloat, checkRank } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'swiglu',
  forward({ x }: { x: Tensor }) {
    checkGateUp(x)
    return { output: activate(x), saved: { x } }
  },
  backward(dy, { x }) {
    const dx = emptyLike(x)
    native.swiglu_backward(dx.handle, dy.handle, x.handle)
    return { x: dx }
  },
})

/** Checks that x can be gate, then up along its last axis. */
export function checkGateUp(x: Tensor): void {
  checkFloat('x', x)
  checkRank('x', x, 1, 6)
  if (x.size(-1) % 2 !== 0) throw new ArgumentError('x', 'have an even last axis: gate, then up', x)
}

/** Enqueues silu(gate) up. */
export function activate(x: Tensor): Tensor {
  const y = empty([...x.shape.slice(0, -1), x.size(-1) / 2], x.dtype)
  native.swiglu(y.handle, x.handle)
  return y
}

/**
 * The gated activation of Llama's feed-forward layer: y = silu(gate) up, where x is gate, then up along its last axis.
 *
 * x [..., 2 F] of 1 to 6 axes, f32 or bf16 -> y [..., F] of x's dtype. Source: Shazeer 2020, as in the Llama block
 * (paper, section 4.1).
 * @throws ArgumentError unless the last axis is even
 */
export const swiglu = (x: Tensor): Tensor => op({ x }, {})
