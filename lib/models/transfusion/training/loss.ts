import { checkArguments } from '../../../arguments.js'
import type { DiffusionTargets } from '../../../diffusion/objective.js'
import { add } from '../../../ops/add.js'
import type { Penalties } from '../../../ops/cross_entropy.js'
import { diffusionLoss } from '../../../ops/diffusion_loss.js'
import { addNoise } from '../../../ops/noise.js'
import { sum } from '../../../ops/reduce.js'
import { scale } from '../../../ops/scale.js'
import type { PackedBatch } from '../../../sequence/packing.js'
import { fromArray, type Tensor } from '../../../tensor/tensor.js'
import { uploadAttentionMetadata } from '../../../nn/attention_metadata.js'
import type { TransfusionNetwork } from '../model.js'

/** A packed sequence with the values of its images and how they are noised. */
export interface TrainingBatch {
  /** Token ids, spans and positions. */
  packed: PackedBatch
  /** `[S, image channels]`: the images as the codec encodes them, S positions of all images. */
  values: Float32Array
  /** How each image is noised, and what the network is to give. */
  targets: DiffusionTargets
  /** `[N, 4]`: the noise of each image. */
  seeds: Int32Array
}

/** What the losses' sums are divided by: counts over the whole optimizer batch, micro-batches and ranks included. */
export interface Denominators {
  /** Tokens that are targets. */
  tokens: number
  /** Images. */
  images: number
}

/** What the losses are added up to. */
export interface LossOptions extends Penalties {
  /** lambda, the diffusion loss's factor; the paper has 5. */
  imageWeight: number
}

/** The parts of the loss, on the tape. */
export interface TransfusionLoss {
  /** lm + penalties + imageWeight * diffusion, one element. */
  total: Tensor
  /** Mean cross-entropy per target token, in nats, without label smoothing and z-loss; absent without targets. */
  lm: Tensor | undefined
  /** Mean over images of each image's weighted mean squared error; absent without images. */
  diffusion: Tensor | undefined
  /** `[T, C]`: the transformer's output at every position of the sequence, for a further head's loss to be added. */
  hidden: Tensor
}

/**
 * loss = LM + imageWeight * DDPM (paper, section 3), and what label smoothing and z-loss add to LM. Throws when the batch
 * has nothing to learn.
 */
export function transfusionLoss(
  model: TransfusionNetwork,
  batch: TrainingBatch,
  options: LossOptions,
  denominators?: Denominators,
): TransfusionLoss {
  checkArguments('transfusionLoss', {
    model: [model, 'network'],
    batch: [batch, 'batch'],
    options: [options, 'object'],
  })
  const { imageWeight, labelSmoothing = 0, zLoss = 0 } = options
  const { packed } = batch
  const { tokens, images } = denominators ?? { tokens: packed.targets, images: packed.images.length }
  const metadata = uploadAttentionMetadata(packed, model.config.image)
  const noised =
    packed.images.length > 0 ? noiseImages(batch, metadata.imageRows, model.config.image.channels) : undefined
  const output = model.forward(metadata, noised && { values: noised.xt, t: noised.t })

  let lm: Tensor | undefined
  let penalty: Tensor | undefined
  if (packed.targets > 0) {
    const rows = targetRows(packed.labels)
    const labels = fromArray(rows.map((row) => packed.labels[row]!))
    const weights = packed.labelWeights
    const options = weights ? { weights: fromArray(Float32Array.from(rows, (row) => weights[row]!)) } : {}
    const penaltyFactors = { labelSmoothing, zLoss }
    const parts = model.tokenLosses(output.hidden, fromArray(rows), labels, { ...options, ...penaltyFactors })
    const mean = (losses: Tensor) => scale(sum(losses), 1 / tokens)
    lm = mean(parts.losses)
    penalty = parts.penalties && mean(parts.penalties)
  }
  let diffusion: Tensor | undefined
  if (noised) {
    const losses = diffusionLoss(model.imagePrediction(output, metadata), noised)
    diffusion = scale(sum(losses), 1 / images)
  }

  const terms = [lm, penalty, diffusion && scale(diffusion, imageWeight)].filter((term) => term !== undefined)
  if (terms.length === 0) throw new Error('transfusionLoss: the batch has neither target tokens nor images')
  return { total: terms.reduce((total, term) => add(total, term)), lm, diffusion, hidden: output.hidden }
}

/** The rows that have a label: logits are computed for them alone. */
const targetRows = (labels: Int32Array): Int32Array =>
  Int32Array.from(labels.keys()).filter((row) => labels[row]! >= 0)

function noiseImages(
  { values, targets, seeds: seedValues }: TrainingBatch,
  imageRows: Tensor,
  channels: number,
) {
  const x0 = fromArray(values, [values.length / channels, channels])
  const seeds = fromArray(seedValues, [seedValues.length / 4, 4])
  const xt = addNoise(x0, imageRows, fromArray(targets.alpha), fromArray(targets.sigma), seeds)
  return {
    xt,
    x0,
    imageRows,
    seeds,
    t: fromArray(targets.t),
    targetX0: fromArray(targets.targetX0),
    targetEps: fromArray(targets.targetEps),
    weight: fromArray(targets.weight),
  }
}
