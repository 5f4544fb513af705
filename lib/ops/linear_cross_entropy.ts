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
  constants: ['weights'],
  forward({ x, weight, ...targets }: { x: Tensor; weight: Tensor } & Targets, factors: Factors | undefined) {
    checkFloat('x', x)
    checkRank('x', x, 2)
    checkWeight(weight, x.size(-1), x.dtype)
    checkTargets(targets, x.size(0), factors)
    const { output, saved } = enqueueLosses(multiply(x, weight, undefined, 'f32'), targets, factors)
    return { output, saved: { x, weight, ...saved } }
  },
  backward(dlosses: readonly Tensor[], { x, weight, ...losses }, request) {
    const { logits } = losses
    // No other op has the logits, so their gradients may overwrite them.
    const dlogits = x.dtype === 'f32' ? logits : empty(logits.shape, x.dtype)
    enqueueGradients(dlogits, dlosses, losses)
    return { x: multiplyBackward(dlogits, x, weight, request) }
  },
})

/**
 * The cross-entropy of the logits x W^T, as `crossEntropy` has it, in less memory: the logits are f32, live until the
 * backward pass and are overwritten there by their gradients, so that those of a large vocabulary exist once.
 *
 * x [T, C], weight [V, C], both f32 or both bf16, labels [T] i32, weights [T] f32 -> losses [T] f32, and with label
 * smoothing or z-loss the penalties [T] f32 of `penalizedCrossEntropy`, otherwise undefined.
 * @throws ArgumentError unless shapes and dtypes fit; reading rejects when a label is not in -1..V-1
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
