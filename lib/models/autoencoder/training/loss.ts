import { add } from '../../../ops/add.js'
import { cast } from '../../../ops/cast.js'
import { mul } from '../../../ops/mul.js'
import { mean, sum } from '../../../ops/reduce.js'
import { scale } from '../../../ops/scale.js'
import { fromArray, type Tensor } from '../../../tensor/tensor.js'
import type { TaskLoss } from '../../../training/task.js'
import type { AutoencoderNetwork } from '../network.js'
import type { ImageBatch, TrainingImages } from './batches.js'

/** The loss of an autoencoder on a batch of images, on the tape: the mean squared error, a mean over the images of the step. */
export function autoencoderLoss(
  network: AutoencoderNetwork,
  { images, values, imagesOfStep }: ImageBatch,
  { height, width, channels }: TrainingImages,
): TaskLoss {
  const x = fromArray(values, [images, height, width, channels])
  const z = network.encode(cast(x, network.arena.compute))
  const y = cast(network.decode(z), 'f32')
  const share = (losses: Tensor) => scale(sum(losses), 1 / imagesOfStep)
  const error = add(y, scale(x, -1))
  const reconstruction = share(mean(mul(error, error), [1, 2, 3]))
  return { total: reconstruction, terms: { reconstruction } }
}
