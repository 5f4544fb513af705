import { add } from '../../../ops/add.js'
import { cast } from '../../../ops/cast.js'
import { pixelError } from '../../../ops/pixel_error.js'
import { sum } from '../../../ops/reduce.js'
import { sampleLatents } from '../../../ops/sample_latents.js'
import { scale } from '../../../ops/scale.js'
import { fromArray, type Tensor } from '../../../tensor/tensor.js'
import type { TaskLoss } from '../../../training/task.js'
import type { AutoencoderNetwork } from '../network.js'
import type { ImageBatch, TrainingImages } from './batches.js'
import type { AutoencoderLossOptions } from './options.js'

/**
 * The loss of a KL autoencoder on a batch of images, on the tape, as means over the images of the step: pixel error + kl * KL /
 * values of an image. Latents are sampled (Kingma and Welling 2014). Terms: `reconstruction`, the pixel error, and `kl`, in nats
 * of a whole latent.
 */
export function autoencoderLoss(
  network: AutoencoderNetwork,
  { images, values, seeds, imagesOfStep }: ImageBatch,
  { height, width, channels }: TrainingImages,
  options: AutoencoderLossOptions,
): TaskLoss {
  const x = fromArray(values, [images, height, width, channels])
  const mean = (losses: Tensor) => scale(sum(losses), 1 / imagesOfStep)
  const moments = network.encoded(cast(x, network.arena.compute))
  const latents = sampleLatents(moments, fromArray(seeds, [images, 4]))
  const y = cast(network.decode(latents.z), 'f32')
  const reconstruction = mean(pixelError(y, x, options.pixels))
  const kl = mean(latents.kl)
  const total = add(reconstruction, scale(kl, options.kl / (height * width * channels)))
  return { total, terms: { reconstruction, kl } }
}
