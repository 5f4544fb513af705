import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkShape } from '../tensor/check.js'
import { scope } from '../tensor/scope.js'
import { empty, full, type Tensor } from '../tensor/tensor.js'

/** Added to the denominator. */
const epsilon = 1e-4
const largest = 1e4

const op = defineOp({
  name: 'adaptive_weight',
  forward({ reference, gradient }: { reference: Tensor; gradient: Tensor }, _options: object) {
    checkDType('reference', reference, 'f32')
    checkShape('gradient', gradient, reference.shape)
    checkDType('gradient', gradient, 'f32')
    return { output: scope(() => weightOf(reference, gradient)), saved: {} }
  },
  backward: 'none',
})

function weightOf(reference: Tensor, gradient: Tensor): Tensor {
  const denominator = empty([1, 1])
  native.add(denominator.handle, normOf(gradient, 1).handle, full([1, 1], epsilon).handle)
  const quotient = empty([1])
  native.mul(quotient.handle, normOf(reference, 1).view([1]).handle, reciprocal(denominator).handle)
  // The factor that clips a norm to `largest` is min(1, largest / norm).
  const weight = empty([1])
  native.mul(weight.handle, quotient.handle, normOf(quotient, largest, 1).view([1]).handle)
  return weight
}

/** f32 [1, 1]: the norm of all elements, or with `at` 1 the factor that clips it to `limit`. */
function normOf(x: Tensor, limit: number, at = 0): Tensor {
  const clip = empty([3])
  native.gradient_norm(clip.handle, x.handle, limit)
  return clip.view([1, 1], at)
}

/** 1 / x of one positive number: that of the root of its mean square. */
function reciprocal(x: Tensor): Tensor {
  const rstd = empty([1])
  native.rms_norm(empty([1, 1]).handle, rstd.handle, x.handle, full([1], 1).handle, 0)
  return rstd
}

/**
 * The weight of a loss term that makes its gradient as long as another's: |reference| / (|gradient| + 1e-4), at most 1e4,
 * where both are gradients at one weight. It stays on the device, is on no tape, and is not finite where a gradient is not.
 *
 * reference, gradient [...] f32 -> [1] f32. Source: Esser et al. 2021, equation 7; the constants are those of their code.
 * @throws ArgumentError unless both are f32 of one shape
 */
export const adaptiveWeight = (reference: Tensor, gradient: Tensor): Tensor => op({ reference, gradient }, {})
