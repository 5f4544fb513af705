import { checkArguments } from '../arguments.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'perceptual_distance',
  constants: ['b', 'weight'],
  forward({ a, b, weight }: { a: Tensor; b: Tensor; weight: Tensor }) {
    checkFloat('a', a)
    checkRank('a', a, 4)
    checkShape('b', b, a.shape)
    checkDType('b', b, a.dtype)
    checkShape('weight', weight, [a.size(3)])
    checkDType('weight', weight, 'f32')
    const losses = empty([a.size(0)])
    native.perceptual_distance(losses.handle, a.handle, b.handle, weight.handle)
    return { output: losses, saved: { a, b, weight } }
  },
  backward(dlosses, { a, b, weight }) {
    const da = emptyLike(a)
    native.perceptual_distance_backward(da.handle, dlosses.handle, a.handle, b.handle, weight.handle)
    return { a: da }
  },
})

/** What `perceptualDistance` compares features with, and how it weighs their channels. */
export interface ComparedFeatures {
  /** [N, h, w, C], as a. */
  b: Tensor
  /** f32 [C]. */
  weight: Tensor
}

/**
 * How far the features of images are apart, one layer's share of LPIPS: the mean over positions of sum over channels of
 * weight (a / (|a| + 1e-10) - b / (|b| + 1e-10))^2, |a| being the length of a position's vector of channels. Where all
 * channels of a position of a are 0, its gradient is 0 (our choice: it is NaN in PyPI's lpips).
 *
 * a, b [N, h, w, C] f32 or bf16, weight [C] f32 -> losses [N] f32. It has a derivative for a alone. Source: Zhang et al. 2018,
 * "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", equation 1.
 * @throws ArgumentError unless shapes and dtypes fit
 */
export function perceptualDistance(a: Tensor, compared: ComparedFeatures): Tensor {
  checkArguments('perceptual_distance', { compared: [compared, 'object'] })
  const { b, weight } = compared
  return op({ a, b, weight }, {})
}
