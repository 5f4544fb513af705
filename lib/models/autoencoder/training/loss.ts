import { add } from '../../../ops/add.js'
import { cast } from '../../../ops/cast.js'
import { pixelError } from '../../../ops/pixel_error.js'
import { sum } from '../../../ops/reduce.js'
import { sampleLatents } from '../../../ops/sample_latents.js'
import { scale } from '../../../ops/scale.js'
import { fromArray, type Tensor } from '../../../tensor/tensor.js'
import type { TaskLoss } from '../../../training/task.js'
import type { AutoencoderNetwork } from '../network.js'
import { adversarialLoss } from './adversarial.js'
import type { ImageBatch, TrainingImages } from './batches.js'
import type { PatchDiscriminator } from './discriminator.js'
import { type GivenJudges, judgments } from './judges.js'
import type { AutoencoderLossOptions } from './options.js'

/** All networks that judge an autoencoder's reconstructions. */
export interface Judges extends GivenJudges {
  /** Present where the options have a discriminator. */
  readonly discriminator?: PatchDiscriminator | undefined
}

/**
 * The loss of a KL autoencoder on a batch of images, on the tape, as means over the images of the step:
 *
 *     pixel error + weight * perceptual + weight * identity + kl * KL / values of an image + weight * generator's term
 *
 * Latents are sampled (Kingma and Welling 2014). Terms: `reconstruction`, the pixel error; `perceptual` and `identity`, where
 * there are such judges; `kl`, in nats of a whole latent; from its first step on those of {@link adversarialLoss}.
 */
export function autoencoderLoss(
  network: AutoencoderNetwork,
  { step, images, values, seeds, imagesOfStep }: ImageBatch,
  { height, width, channels }: TrainingImages,
  options: AutoencoderLossOptions,
  { discriminator, ...given }: Judges = {},
): TaskLoss {
  const x = fromArray(values, [images, height, width, channels])
  const mean = (losses: Tensor) => scale(sum(losses), 1 / imagesOfStep)
  const moments = network.encoded(cast(x, network.arena.compute))
  const latents = sampleLatents(moments, fromArray(seeds, [images, 4]))
  const decoded = network.decodeForTraining(latents.z)
  const y = cast(decoded.images, 'f32')
  const reconstructionLoss = (y: Tensor) => {
    const reconstruction = mean(pixelError(y, x, options.pixels))
    const judged = judgments(given, y, x).map((term) => ({ ...term, loss: mean(term.losses) }))
    return {
      value: judged.reduce((sum, { loss, weight }) => add(sum, scale(loss, weight)), reconstruction),
      others: { reconstruction, ...Object.fromEntries(judged.map(({ name, loss }) => [name, loss])) },
    }
  }
  const kl = mean(latents.kl)
  const withKl = (loss: Tensor) => add(loss, scale(kl, options.kl / (height * width * channels)))
  if (!discriminator || !options.discriminator || step < options.discriminator.start) {
    const { value, others } = reconstructionLoss(y)
    return { total: withKl(value), terms: { ...others, kl } }
  }
  const judged = {
    images: x,
    reconstructions: y,
    reconstructionLoss,
    lastLayerGradient: decoded.lastLayerGradient,
    share: images / imagesOfStep,
  }
  const { total, companion, terms } = adversarialLoss(discriminator, judged, options.discriminator)
  return { total: withKl(total), companions: { discriminator: companion }, terms: { ...terms, kl } }
}
