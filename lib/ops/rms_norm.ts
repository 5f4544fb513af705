import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'rms_norm',
  forward({ x, weight }: { x: Tensor; weight: Tensor }, { eps }: { eps: number }) {
    checkFloat('x', x)
    checkRank('x', x, 1, 6)
    checkShape('weight', weight, [x.size(-1)])
    checkDType('weight', weight, x.dtype)
    const y = emptyLike(x)
    const rstd = empty(x.shape.slice(0, -1))
    native.rms_norm(y.handle, rstd.handle, x.handle, weight.handle, eps)
    return { output: y, saved: { x, weight, rstd } }
  },
  backward(dy, { x, weight, rstd }, request) {
    const dx = emptyLike(x)
    const dweight = request.accumulator('weight')
    native.rms_norm_backward(dx.handle, dweight?.handle, dy.handle, x.handle, weight.handle, rstd.handle)
    return { x: dx }
  },
})

/**
 * Root-mean-square norm over the last axis: y = x / sqrt(mean(x^2) + eps) * weight.
 * x [..., C], weight [C] of x's dtype -> [..., C]. Source: the Llama block (paper, section 4.1).
 */
export const rmsNorm = (x: Tensor, weight: Tensor, eps = 1e-5): Tensor => op({ x, weight }, { eps })
