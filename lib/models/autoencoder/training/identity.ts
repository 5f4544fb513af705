/** The identity term of an autoencoder's loss (paper: "0.2 ID"), by a network that the user gives. */
import type { ImageSize } from '../../../image/image.js'
import type { ConvolutionWork } from '../../../nn/convolution_work.js'
import { noGrad } from '../../../autograd/tape.js'
import { add } from '../../../ops/add.js'
import { cast } from '../../../ops/cast.js'
import { mul } from '../../../ops/mul.js'
import { mean } from '../../../ops/reduce.js'
import { reshape } from '../../../ops/reshape.js'
import { rmsNorm } from '../../../ops/rms_norm.js'
import { scale } from '../../../ops/scale.js'
import { ArgumentError } from '../../../tensor/check.js'
import { scope } from '../../../tensor/scope.js'
import { full, type Tensor } from '../../../tensor/tensor.js'

/**
 * A network whose features tell what an image shows: the paper has one of MoCo v2, which `Resnet` reads. It must be made of
 * ops, for gradients go through it to the reconstructions. So one that is given as ONNX cannot be used: onnxruntime-node
 * computes no gradients.
 */
export interface FeatureNetwork {
  /** images [N, H, W, C] f32 of -1..1 -> features [N, ...]. */
  features(images: Tensor): Tensor
  /** Of its convolutions of one image, for the count of a step's products; absent: they are not counted. */
  workOn?(image: ImageSize): ConvolutionWork
}

/** Added to the mean square of features: those that are all zeros have a cosine of 0. */
const epsilon = 1e-12

/**
 * How much reconstructions show something else than the images: 1 - cosine of their features, after Tov et al. 2021 ("Designing
 * an encoder for StyleGAN image manipulation"), whose features are MoCo v2's too; the paper does not say which distance it takes
 * (our choice).
 *
 * reconstructions, images [N, H, W, C] f32 -> [N] f32, differentiable in the reconstructions.
 * @throws ArgumentError where features are not of as many images
 */
export function identityLoss(network: FeatureNetwork, reconstructions: Tensor, images: Tensor): Tensor {
  return scope(() => {
    const expected = noGrad(() => normalized(network, images))
    const cosines = mean(mul(normalized(network, reconstructions), expected), [1])
    return add(scale(cosines, -1), full([1], 1))
  })
}

/** Each image's features, of a mean square of 1. */
function normalized(network: FeatureNetwork, images: Tensor): Tensor {
  const features = network.features(images)
  const [count] = images.shape as [number]
  if (features.rank < 2 || features.size(0) !== count)
    throw new ArgumentError('features', `have shape [${count}, ...]`, features)
  const rows = reshape(cast(features, 'f32'), [count, -1])
  return rmsNorm(rows, full([rows.size(1)], 1), epsilon)
}
