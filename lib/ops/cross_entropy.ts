import { checkArguments } from '../arguments.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFinite, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

/** Penalties beside the cross-entropy; each is 0 by default. */
export interface Penalties {
  /** Share 0..1 of the label's probability that is spread evenly over all V tokens (Szegedy et al. 2016). */
  labelSmoothing?: number
  /** Factor of the square of log sum_v exp(logits), which keeps logits from drifting away (PaLM, section 5). */
  zLoss?: number
}

export type Factors = Required<Penalties>

/** The labels of T rows of logits, i32 [T], and the rows' weights, f32 [T]. */
export type Targets = { labels: Tensor; weights: Tensor | undefined }

/** Enqueues the losses of T rows, and with factors their penalties; `saved` is for `enqueueGradients`. */
export function enqueueLosses(logits: Tensor, { labels, weights }: Targets, factors: Factors | undefined) {
  const [T] = logits.shape as [number]
  const { labelSmoothing, zLoss } = factors ?? { labelSmoothing: 0, zLoss: 0 }
  const losses = empty([T])
  const lse = empty([T])
  const added = factors && empty([T])
  native.cross_entropy(
    losses.handle,
    added?.handle,
    lse.handle,
    logits.handle,
    labels.handle,
    weights?.handle,
    labelSmoothing,
    zLoss,
  )
  const saved = { logits, lse, labels, weights, labelSmoothing, zLoss }
  return { output: added ? [losses, added] : [losses], saved }
}

/** Enqueues the gradients of the logits, given those of the losses and penalties, into a tensor that may be the logits. */
export function enqueueGradients(
  dlogits: Tensor,
  [dlosses, dpenalties]: readonly Tensor[],
  { logits, lse, labels, weights, labelSmoothing, zLoss }: ReturnType<typeof enqueueLosses>['saved'],
): void {
  native.cross_entropy_backward(
    dlogits.handle,
    dlosses!.handle,
    dpenalties?.handle,
    logits.handle,
    lse.handle,
    labels.handle,
    weights?.handle,
    labelSmoothing,
    zLoss,
  )
}

/** Checks the labels, weights and factors of T rows of logits. */
export function checkTargets({ labels, weights }: Targets, T: number, factors: Factors | undefined): void {
  checkShape('labels', labels, [T])
  checkDType('labels', labels, 'i32')
  if (weights) {
    checkShape('weights', weights, [T])
    checkDType('weights', weights, 'f32')
  }
  if (!factors) return
  const { labelSmoothing, zLoss } = factors
  checkFinite('labelSmoothing', labelSmoothing)
  if (labelSmoothing < 0 || labelSmoothing > 1)
    throw new ArgumentError('labelSmoothing', 'be in 0..1', labelSmoothing)
  checkFinite('zLoss', zLoss)
}

const op = defineOp({
  name: 'cross_entropy',
  optional: ['weights'],
  constants: ['weights'],
  forward({ logits, ...targets }: { logits: Tensor } & Targets, factors: Factors | undefined) {
    checkFloat('logits', logits)
    checkRank('logits', logits, 2)
    checkTargets(targets, logits.size(0), factors)
    return enqueueLosses(logits, targets, factors)
  },
  backward(dlosses: readonly Tensor[], saved) {
    const dlogits = emptyLike(saved.logits)
    enqueueGradients(dlogits, dlosses, saved)
    return { logits: dlogits }
  },
})

/**
 * The cross-entropy of each row of logits with its label, in nats: losses[t] = weights[t] (log sum_v exp(logits[t, v]) -
 * logits[t, labels[t]]). Where the label is -1 the loss is zero and has no gradient.
 *
 * logits [T, V] f32 or bf16, labels [T] i32, weights [T] f32 (ones by default; without a derivative) -> losses [T] f32.
 * @throws ArgumentError unless shapes and dtypes fit; reading the losses rejects when a label is not in -1..V-1
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: { weights?: Tensor } = {}): Tensor {
  checkArguments('cross_entropy', { options: [options, 'options'] })
  return op({ logits, labels, weights: options.weights }, undefined)[0]!
}

/**
 * The cross-entropy of each row as `crossEntropy` gives it, and apart from it what label smoothing and z-loss add:
 *
 *     penalties[t] = weights[t] (labelSmoothing (logits[t, labels[t]] - mean_v logits[t, v]) + zLoss lse[t]^2)
 *     lse[t] = log sum_v exp(logits[t, v])
 *
 * so that losses stay comparable between runs. Without a z-loss, losses + penalties is the cross-entropy with smoothed
 * labels. Arguments are those of `crossEntropy` -> losses and penalties [T] f32.
 * @throws ArgumentError unless shapes and dtypes fit and labelSmoothing is in 0..1; reading rejects when a label is not
 *   in -1..V-1
 */
export function penalizedCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: { weights?: Tensor } & Penalties = {},
): { losses: Tensor; penalties: Tensor } {
  checkArguments('cross_entropy', { options: [options, 'options'] })
  const { weights, labelSmoothing = 0, zLoss = 0 } = options
  const [losses, penalties] = op({ logits, labels, weights }, { labelSmoothing, zLoss }) as [Tensor, Tensor]
  return { losses, penalties }
}
