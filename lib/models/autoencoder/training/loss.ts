import { add } from '../../../ops/add.js'
import { cast } from '../../../ops/cast.js'
import { pixelError } from '../../../ops/pixel_error.js'
import { sum } from '../../../ops/reduce.js'
import { sampleLatents } from '../../../ops/sample_latents.js'
import { scale } from '../../../ops/scale.js'
import { fromArray, type Tensor } from '../../../tensor/tensor.js'
import type { TaskLoss } from '../../../training/task.js'
import type { Codebook } from '../codebook.js'
import type { AutoencoderNetwork } from '../network.js'
import { adversarialLoss } from './adversarial.js'
import type { ImageBatch, TrainingImages } from './batches.js'
import type { CodebookUse } from './codebook_use.js'
import type { PatchDiscriminator } from './discriminator.js'
import { type GivenJudges, judgments } from './judges.js'
import type { AutoencoderLossOptions } from './options.js'
import { quantize } from './quantization.js'

/** What judges reconstructions, and of a VQ-VAE the use of its codes. */
export interface Judges extends GivenJudges {
  /** Present where the options have a discriminator. */
  readonly discriminator?: PatchDiscriminator | undefined
  /** Present for a VQ-VAE. */
  readonly codes?: CodebookUse | undefined
}

/**
 * The loss of an autoencoder on a batch of images, on the tape, as means over the images of the step:
 *
 *     pixel error + weight * perceptual + weight * identity + latents + weight * generator's term
 *
 * Latents of a frozen encoder add nothing. Of a KL autoencoder they are sampled (Kingma and Welling 2014), and add kl * KL / values of an image; of a VQ-VAE they are
 * rounded to codes, and add weight * (codebook + commitment's weight * commitment). Terms: `reconstruction`, the pixel error;
 * `perceptual` and `identity`, where there are such judges; `kl`, in nats of a whole latent, or `codebook`, `commitment` and
 * those of {@link CodebookUse}; from its first step on those of {@link adversarialLoss}.
 */
export function autoencoderLoss(
  network: AutoencoderNetwork,
  { step, images, values, seeds, imagesOfStep, latents: frozen }: ImageBatch,
  { height, width, channels }: TrainingImages,
  options: AutoencoderLossOptions,
  { discriminator, codes, ...given }: Judges = {},
): TaskLoss {
  const x = fromArray(values, [images, height, width, channels])
  const mean = (losses: Tensor) => scale(sum(losses), 1 / imagesOfStep)
  const share = images / imagesOfStep
  const latentsOf = (): Latents => {
    const { compute } = network.arena
    if (frozen) return { z: cast(fromArray(frozen.values, frozen.shape), compute), terms: {} }
    const encoded = network.encoded(cast(x, compute))
    const noise = fromArray(seeds, [images, 4])
    return codes
      ? quantizedLatents(network.codebook, encoded, { codes, mean, seeds: noise, share }, options.codebook)
      : sampledLatents(encoded, noise, mean, options.kl / (height * width * channels))
  }
  const latents = latentsOf()
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
  const whole = (loss: Tensor, terms: TaskLoss['terms']): TaskLoss => ({
    total: latents.loss ? add(loss, latents.loss) : loss,
    terms: { ...terms, ...latents.terms },
    ...(latents.observed && { observed: latents.observed }),
  })
  if (!discriminator || !options.discriminator || step < options.discriminator.start) {
    const { value, others } = reconstructionLoss(y)
    return whole(value, others)
  }
  const judged = {
    images: x,
    reconstructions: y,
    reconstructionLoss,
    lastLayerGradient: decoded.lastLayerGradient,
    share,
  }
  const { total, companion, terms } = adversarialLoss(discriminator, judged, options.discriminator)
  return { ...whole(total, terms), companions: { discriminator: companion } }
}

/** Latents as the decoder reads them, and what they add to the loss. */
interface Latents extends Pick<TaskLoss, 'terms' | 'observed'> {
  readonly z: Tensor
  /** Absent where they are a frozen encoder's. */
  readonly loss?: Tensor
}

type Mean = (losses: Tensor) => Tensor

function sampledLatents(moments: Tensor, seeds: Tensor, mean: Mean, weight: number): Latents {
  const { z, kl: divergences } = sampleLatents(moments, seeds)
  const kl = mean(divergences)
  return { z, loss: scale(kl, weight), terms: { kl } }
}

function quantizedLatents(
  codebook: Codebook,
  encoded: Tensor,
  { codes, mean, seeds, share }: { codes: CodebookUse; mean: Mean; seeds: Tensor; share: number },
  options: AutoencoderLossOptions['codebook'],
): Latents {
  const quantized = quantize(codebook, encoded)
  const [ofCodes, commitment] = [mean(quantized.codebook), mean(quantized.commitment)]
  const loss = scale(add(ofCodes, scale(commitment, options.commitment)), options.weight)
  const { terms, observed } = codes.observe(encoded, quantized, seeds, share)
  return { z: quantized.z, loss, terms: { codebook: ofCodes, commitment, ...terms }, observed }
}
