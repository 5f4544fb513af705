/** The part of an autoencoder's loss that a discriminator gives (Esser et al. 2021, equations 5 to 7). */
import { valueAndGradients } from '../../../autograd/value_and_gradients.js'
import { adaptiveWeight } from '../../../ops/adaptive_weight.js'
import { add } from '../../../ops/add.js'
import { cast } from '../../../ops/cast.js'
import { leakyRelu } from '../../../ops/leaky_relu.js'
import { mul } from '../../../ops/mul.js'
import { mean } from '../../../ops/reduce.js'
import { scale } from '../../../ops/scale.js'
import { withGradient } from '../../../ops/with_gradient.js'
import { scope } from '../../../tensor/scope.js'
import { full, type Tensor } from '../../../tensor/tensor.js'
import type { PatchDiscriminator } from './discriminator.js'

/** What an autoencoder's step is judged by; a share is what a micro-batch adds to the step's loss. */
export interface Judged {
  /** x [N, H, W, C] f32, of -1..1. */
  readonly images: Tensor
  /** y [N, H, W, C] f32, on the autoencoder's tape. */
  readonly reconstructions: Tensor
  /** The share's loss of reconstructions against images, one element, and the terms that it is reported as. */
  readonly reconstructionLoss: (reconstructions: Tensor) => {
    value: Tensor
    others: Readonly<Record<string, Tensor>>
  }
  /** The gradient at the decoder's last layer's weight, f32, for a gradient at the reconstructions. */
  readonly lastLayerGradient: (dreconstructions: Tensor) => Tensor
  /** The images' share of the step's. */
  readonly share: number
}

/** How a discriminator weighs in an autoencoder's loss. */
export interface AdversarialOptions {
  /** Factor of the term. */
  readonly weight: number
  /** Whether it is multiplied by the reconstruction's gradient over the term's, both at the decoder's last layer. */
  readonly adaptive: boolean
}

/** What a discriminator adds to a step, see {@link adversarialLoss}. */
export interface AdversarialLoss {
  /** Of the autoencoder, on its tape: the reconstruction's loss, and the weighted term. */
  readonly total: Tensor
  /** Of the discriminator, on its tape. */
  readonly companion: Tensor
  /** Those of the reconstruction; `generator` and `discriminator`, unweighted; `adversarial_weight`, that of the first. */
  readonly terms: Readonly<Record<string, Tensor>>
}

/**
 * The losses of an autoencoder and its discriminator on the same images and reconstructions. The autoencoder's are
 * differentiated at the reconstructions: each costs a pass through what judges them, none through the decoder, and both go
 * back through that together. An adaptive weight is that of the micro-batch at hand.
 */
export function adversarialLoss(
  discriminator: PatchDiscriminator,
  { images, reconstructions, reconstructionLoss, lastLayerGradient, share }: Judged,
  { weight, adaptive }: AdversarialOptions,
): AdversarialLoss {
  const { compute } = discriminator.arena
  const judge = (x: Tensor) => discriminator.forward(cast(x, compute))
  return scope(() => {
    const of = { y: reconstructions }
    const reconstruction = valueAndGradients(({ y }) => reconstructionLoss(y), of)
    const generator = valueAndGradients(({ y }) => scale(generatorLoss(judge(y)), share), of)
    // Of the mean over the micro-batch's images, so that what adaptiveWeight adds to the norm is small beside it.
    const atLastLayer = (dy: Tensor) => lastLayerGradient(cast(scale(dy, 1 / share), compute))
    const factor = scale(
      adaptive
        ? adaptiveWeight(atLastLayer(reconstruction.gradients.y), atLastLayer(generator.gradients.y))
        : full([1], 1),
      weight,
    )
    const weighted = (x: Tensor) => mul(x, factor)
    const total = withGradient(
      reconstructions,
      add(reconstruction.value, weighted(generator.value)),
      add(reconstruction.gradients.y, weighted(generator.gradients.y)),
    )
    const detached = reconstructions.view(reconstructions.shape)
    const own = scale(discriminatorLoss(judge(images), judge(detached)), share)
    const terms = {
      ...reconstruction.others,
      generator: generator.value,
      discriminator: own,
      adversarial_weight: scale(factor, share),
    }
    return { total, companion: own, terms }
  })
}

/** How little reconstructions look like images: -mean(logits), f32 []. */
export const generatorLoss = (logits: Tensor): Tensor => scale(mean(cast(logits, 'f32')), -1)

/**
 * The hinge loss of a discriminator: (mean(relu(1 - logits of images)) + mean(relu(1 + logits of reconstructions))) / 2, f32
 * [].
 */
export function discriminatorLoss(ofImages: Tensor, ofReconstructions: Tensor): Tensor {
  const hinge = (logits: Tensor, sign: number) =>
    mean(leakyRelu(add(scale(cast(logits, 'f32'), sign), full([1], 1)), 0))
  return scale(add(hinge(ofImages, -1), hinge(ofReconstructions, 1)), 0.5)
}
