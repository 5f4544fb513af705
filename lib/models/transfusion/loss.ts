import type { DiffusionTargets } from '../../diffusion/objective.js'
import { add } from '../../ops/add.js'
import { crossEntropy } from '../../ops/cross_entropy.js'
import { diffusionLoss } from '../../ops/diffusion_loss.js'
import { addNoise } from '../../ops/noise.js'
import { sum } from '../../ops/reduce.js'
import { scale } from '../../ops/scale.js'
import type { PackedBatch } from '../../sequence/packing.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import { uploadLayout } from './device_layout.js'
import type { TransfusionNetwork } from './model.js'

/** A packed sequence with its pixels and how they are noised. */
export interface TrainingBatch {
  packed: PackedBatch
  /** [S, image channels] */
  pixels: Float32Array
  targets: DiffusionTargets
  /** [N, 4]: the noise of each image. */
  seeds: Int32Array
}

/** What the losses' sums are divided by: counts over the whole optimizer batch, micro-batches and ranks included. */
export interface Denominators {
  tokens: number
  images: number
}

export interface TransfusionLoss {
  /** lm + imageWeight * diffusion, one element. */
  total: Tensor
  /** Mean cross-entropy per target token, in nats; absent without targets. */
  lm: Tensor | undefined
  /** Mean over images of each image's weighted mean squared error; absent without images. */
  diffusion: Tensor | undefined
}

/** loss = LM + imageWeight * DDPM (paper, section 3; it has imageWeight 5). Throws when the batch has nothing to learn. */
export function transfusionLoss(
  model: TransfusionNetwork,
  batch: TrainingBatch,
  imageWeight: number,
  denominators: Denominators = { tokens: batch.packed.targets, images: batch.packed.images.length },
): TransfusionLoss {
  const { packed } = batch
  const layout = uploadLayout(packed)
  const noised =
    packed.images.length > 0 ? noiseImages(batch, layout.imageRows, model.config.image.channels) : undefined
  const hidden = model.hidden(layout, noised && { pixels: noised.xt, t: noised.t })

  let lm: Tensor | undefined
  if (packed.targets > 0) {
    const rows = targetRows(packed.labels)
    const labels = fromArray(rows.map((row) => packed.labels[row]!))
    const weights = packed.labelWeights
    const losses = crossEntropy(
      model.logits(hidden, fromArray(rows)),
      labels,
      weights ? { weights: fromArray(Float32Array.from(rows, (row) => weights[row]!)) } : {},
    )
    lm = scale(sum(losses), 1 / denominators.tokens)
  }
  let diffusion: Tensor | undefined
  if (noised) {
    const losses = diffusionLoss(model.imagePrediction(hidden, layout), noised)
    diffusion = scale(sum(losses), 1 / denominators.images)
  }

  const weighted = diffusion && scale(diffusion, imageWeight)
  const total = lm && weighted ? add(lm, weighted) : (lm ?? weighted)
  if (!total) throw new Error('transfusionLoss: the batch has neither target tokens nor images')
  return { total, lm, diffusion }
}

/** The rows that have a label: logits are computed for them alone. */
const targetRows = (labels: Int32Array): Int32Array =>
  Int32Array.from(labels.keys()).filter((row) => labels[row]! >= 0)

function noiseImages(
  { pixels, targets, seeds: seedValues }: TrainingBatch,
  imageRows: Tensor,
  channels: number,
) {
  const x0 = fromArray(pixels, [pixels.length / channels, channels])
  const seeds = fromArray(seedValues, [seedValues.length / 4, 4])
  const xt = addNoise(x0, imageRows, fromArray(targets.signal), fromArray(targets.sigma), seeds)
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
