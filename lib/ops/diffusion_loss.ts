import { checkArguments } from '../arguments.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'
import { checkImages } from './image_rows.js'

/** The noise of images and the network's target. S rows of C channels of N images. */
export type DiffusionTarget = {
  /** The clean images [S, C], of the prediction's dtype. */
  x0: Tensor
  /** [N + 1] i32: image i owns rows imageRows[i] to imageRows[i + 1] - 1. */
  imageRows: Tensor
  /** [N] f32, coefficient of x0 in the target. */
  targetX0: Tensor
  /** [N] f32, coefficient of the noise in the target. */
  targetEps: Tensor
  /** [N] f32, factor of the image's mean squared error. */
  weight: Tensor
  /** [N, 4] i32, as `addNoise` took them. */
  seeds: Tensor
}

const op = defineOp({
  name: 'diffusion_loss',
  constants: ['x0', 'targetX0', 'targetEps', 'weight'],
  forward(inputs: DiffusionTarget & { prediction: Tensor }) {
    const { prediction, x0, imageRows, targetX0, targetEps, weight, seeds } = inputs
    checkFloat('prediction', prediction)
    checkRank('prediction', prediction, 2)
    checkShape('x0', x0, prediction.shape)
    checkDType('x0', x0, prediction.dtype)
    const losses = empty([checkImages(imageRows, seeds, { targetX0, targetEps, weight })])
    native.diffusion_loss(
      losses.handle,
      prediction.handle,
      x0.handle,
      imageRows.handle,
      targetX0.handle,
      targetEps.handle,
      weight.handle,
      seeds.handle,
    )
    return { output: losses, saved: inputs }
  },
  backward(dlosses, { prediction, x0, imageRows, targetX0, targetEps, weight, seeds }) {
    const dprediction = emptyLike(prediction)
    native.diffusion_loss_backward(
      dprediction.handle,
      dlosses.handle,
      prediction.handle,
      x0.handle,
      imageRows.handle,
      targetX0.handle,
      targetEps.handle,
      weight.handle,
      seeds.handle,
    )
    return { prediction: dprediction }
  },
})

/**
 * The mean squared error of each image's prediction: losses[i] = weight[i] mean((prediction - target)^2) over the
 * image's elements, with target = targetX0[i] x0 + targetEps[i] eps. With targetX0 0, targetEps and weight 1 the target
 * is the noise, as in the paper (section 2.2); other values make it v, the velocity or x0. eps is the noise that
 * `addNoise` added, made again from the seeds.
 *
 * prediction [S, C] f32 or bf16, `target` as {@link DiffusionTarget} says -> losses [N] f32, with a derivative for the
 * prediction alone. An image without rows has loss 0.
 * @throws ArgumentError unless shapes and dtypes fit
 */
export function diffusionLoss(prediction: Tensor, target: DiffusionTarget): Tensor {
  checkArguments('diffusion_loss', { target: [target, 'object'] })
  const { x0, imageRows, targetX0, targetEps, weight, seeds } = target
  return op({ prediction, x0, imageRows, targetX0, targetEps, weight, seeds }, {})
}
