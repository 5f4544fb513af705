import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkFinite, checkFloat, checkRank } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'
import { checkAffine, type NormOptions } from './norm_options.js'

const op = defineOp({
  name: 'layer_norm',
  forward(
    { x, weight, bias }: { x: Tensor; weight: Tensor; bias: Tensor },
    { eps = 1e-5, silu = false }: NormOptions,
  ) {
    checkFloat('x', x)
    checkRank('x', x, 1, 6)
    checkAffine(x, weight, bias)
    checkFinite('eps', eps)
    const y = emptyLike(x)
    const mean = empty(x.shape.slice(0, -1))
    const rstd = emptyLike(mean)
    native.layer_norm(y.handle, mean.handle, rstd.handle, x.handle, weight.handle, bias.handle, eps, silu)
    return { output: y, saved: { x, weight, bias, mean, rstd, silu } }
  },
  backward(dy, { x, weight, bias, mean, rstd, silu }, request) {
    const dx = emptyLike(x)
    native.layer_norm_backward(
      dx.handle,
      request.accumulator('weight')?.handle,
      request.accumulator('bias')?.handle,
      dy.handle,
      x.handle,
      weight.handle,
      bias.handle,
      mean.handle,
      rstd.handle,
      silu,
    )
    return { x: dx }
  },
})

/**
 * Layer norm over the last axis, and with `silu` SiLU after it: y = (x - mean) / sqrt(variance + eps) * weight + bias.
 * In images, channels last, it normalizes the channels of each position.
 *
 * x [..., C] of 1 to 6 axes, f32 or bf16, weight and bias [C] of x's dtype -> y like x. The paper's U-Net blocks have
 * this plain layer norm in the place of an adaptive one (section 3).
 * @throws ArgumentError unless shapes and dtypes fit
 */
export const layerNorm = (x: Tensor, weight: Tensor, bias: Tensor, options: NormOptions = {}): Tensor =>
  op({ x, weight, bias }, options)
