import { defineOp } from '../autograd/op.js'
import { checkFloat, checkRank } from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'
import {
  checkTargets,
  enqueueGradients,
  enqueueLosses,
  type Factors,
  type Penalties,
  type Targets,
} from './cross_entropy.js'
import { checkWeight, multiply, multiplyBackward } from './linear.js'

const op = defineOp({
  name: 'linear_cross_entropy',
  optional: ['weights'],
  forward({ x, weight, ...targets }: { x: Tensor; weight: Tensor } & Targets, factors: Factors | undefined) {
    checkFloat('x', x)
    checkRank('x', x, 2)
    checkWeight(weight, x.size(-1), x.dtype)
    checkTargets(targets, x.size(0), factors)
    const { output, saved } = enqueueLosses(multiply(x, weight, undefined, 'f32'), targets, factors)
    return { output, saved: { x, weight, ...saved } }
  },
  backward(dlosses: readonly Tensor[], { x, weight, ...losses }, request) {
    if (request.wants('weights')) throw new Error('linear_cross_entropy: there is no derivative for weights')
    const { logits } = losses
    // Nobody else has the logits: their gradients may take their place.
    const dlogits = x.dtype === 'f32' ? logits : empty(logits.shape, x.dtype)
    enqueueGradients(dlogits, dlosses, losses)
    return { x: multiplyBackward(dlogits, x, weight, request) }
  },
})

/**
 * `crossEntropy` of logits x W^T, and with factors for penalties those of `penalizedCrossEntropy`. The logits are f32, live
 * until the backward pass and become their own gradients there, so that a large vocabulary's exist once. x [T, C], weight
 * [V, C] of one floating-point dtype, labels [T] i32, weights [T] f32 -> losses [T], penalties [T], f32.
 */
export function linearCrossEntropy(
  x: Tensor,
  weight: Tensor,
  labels: Tensor,
  options: { weights?: Tensor } & Penalties = {},
): { losses: Tensor; penalties: Tensor | undefined } {
  const { weights, labelSmoothing = 0, zLoss = 0 } = options
  const factors = labelSmoothing !== 0 || zLoss !== 0 ? { labelSmoothing, zLoss } : undefined
  const [losses, penalties] = op({ x, weight, labels, weights }, factors)
  return { losses: losses!, penalties }
}
