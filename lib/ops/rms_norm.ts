import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFinite, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'rms_norm',
  forward({ x, weight }: { x: Tensor; weight: Tensor }, { eps }: { eps: number }) {
    checkFloat('x', x)
    checkRank('x', x, 1, 6)
    checkShape('weight', weight, [x.size(-1)])
    checkDType('weight', weight, x.dtype)
    checkFinite('eps', eps)
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
 *
 * x [..., C] of 1 to 6 axes, f32 or bf16, weight [C] of x's dtype -> y like x. Source: Zhang and Sennrich 2019, as in
 * the Llama block (paper, section 4.1).
 * @throws ArgumentError unless shapes and dtypes fit
 */
export const rmsNorm = (x: Tensor, weight: Tensor, eps = 1e-5): Tensor => op({ x, weight }, { eps })
