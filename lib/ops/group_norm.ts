import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkFinite, checkFloat, checkInteger, checkRank } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'
import { checkAffine, type NormOptions } from './norm_options.js'

const op = defineOp({
  name: 'group_norm',
  forward(
    { x, weight, bias }: { x: Tensor; weight: Tensor; bias: Tensor },
    { groups, eps = 1e-5, silu = false }: NormOptions & { groups: number },
  ) {
    checkFloat('x', x)
    checkRank('x', x, 2, 6)
    checkAffine(x, weight, bias)
    checkInteger('groups', groups, 1)
    const channels = x.size(-1)
    if (channels === 0 || channels % groups !== 0)
      throw new ArgumentError('groups', `divide the ${channels} channels of x`, groups)
    checkFinite('eps', eps)
    const y = emptyLike(x)
    const mean = empty([x.size(0), groups])
    const rstd = emptyLike(mean)
    native.group_norm(y.handle, mean.handle, rstd.handle, x.handle, weight.handle, bias.handle, eps, silu)
    return { output: y, saved: { x, weight, bias, mean, rstd, silu } }
  },
  backward(dy, { x, weight, bias, mean, rstd, silu }, request) {
    const dx = emptyLike(x)
    native.group_norm_backward(
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
 * Group norm of images, channels last, and with `silu` SiLU after it: y = (x - mean) / sqrt(variance + eps) * weight +
 * bias, where mean and variance are those of one image's group of channels over all positions.
 *
 * x [N, ..., C] f32 or bf16, weight and bias [C] of x's dtype -> y like x; `groups` divides C. Source: Wu and He 2018.
 * @throws ArgumentError unless shapes and dtypes fit and the groups divide C
 */
export const groupNorm = (
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  groups: number,
  options: NormOptions = {},
): Tensor => op({ x, weight, bias }, { ...options, groups })
