import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'cross_entropy',
  optional: ['weights'],
  forward({ logits, labels, weights }: { logits: Tensor; labels: Tensor; weights: Tensor | undefined }) {
    checkFloat('logits', logits)
    checkRank('logits', logits, 2)
    const T = logits.size(0)
    checkShape('labels', labels, [T])
    checkDType('labels', labels, 'i32')
    if (weights) {
      checkShape('weights', weights, [T])
      checkDType('weights', weights, 'f32')
    }
    const losses = empty([T])
    const lse = empty([T])
    native.cross_entropy(losses.handle, lse.handle, logits.handle, labels.handle, weights?.handle)
    return { output: losses, saved: { logits, lse, labels, weights } }
  },
  backward(dlosses, { logits, lse, labels, weights }, request) {
    if (request.wants('weights')) throw new Error('cross_entropy: there is no derivative for weights')
    const dlogits = emptyLike(logits)
    native.cross_entropy_backward(
      dlogits.handle,
      dlosses.handle,
      logits.handle,
      lse.handle,
      labels.handle,
      weights?.handle,
    )
    return { logits: dlogits }
  },
})

/**
 * The cross-entropy of each row, in nats: losses[t] = weights[t] (log sum_v exp(logits[t, v]) - logits[t, labels[t]]),
 * zero, without a gradient, where the label is -1. logits [T, V] floating point, labels [T] i32, weights [T] f32 (by
 * default ones; constants of the loss) -> losses [T] f32. Reading losses rejects when a label is not in -1..V-1.
 */
export const crossEntropy = (logits: Tensor, labels: Tensor, options: { weights?: Tensor } = {}): Tensor =>
  op({ logits, labels, weights: options.weights }, {})
