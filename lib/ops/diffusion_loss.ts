import { checkArguments } from '../arguments.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'
import { checkImages } from './image_rows.js'

/** What images were noised with, and what the network was to give. S rows of C channels of N images. */
export type DiffusionTarget = {
  /** The clean images [S, C], of the prediction's dtype. */
  x0: Tensor
  /** [N + 1] i32: image i owns rows imageRows[i] to imageRows[i + 1] - 1. */
  imageRows: Tensor
  /** [N] f32 */
  targetX0: Tensor
  /** [N] f32 */
  targetEps: Tensor
  /** [N] f32 */
  weight: Tensor
  /** [N, 4] i32, as they were given to `addNoise`. */
  seeds: Tensor
}

const op = defineOp({
  name: 'diffusion_loss',
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
  backward(dlosses, { prediction, x0, imageRows, targetX0, targetEps, weight, seeds }, request) {
    for (const constant of ['x0', 'targetX0', 'targetEps', 'weight'] as const)
      if (request.wants(constant)) throw new Error(`diffusion_loss: there is no derivative for ${constant}`)
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
 * The loss of each image [N] f32: weight[i] mean((prediction - target)^2) over its elements, where target =
 * targetX0[i] x0 + targetEps[i] eps: eps is what the paper's network predicts (section 2.2: targetX0 0, targetEps
 * and weight 1); v and x0 are other choices of the three. eps is the noise that `addNoise` drew, made again from
 * the seeds. Differentiable in prediction [S, C] f32 or bf16; an image without rows has loss 0.
 */
export function diffusionLoss(prediction: Tensor, target: DiffusionTarget): Tensor {
  checkArguments('diffusion_loss', { target: [target, 'object'] })
  const { x0, imageRows, targetX0, targetEps, weight, seeds } = target
  return op({ prediction, x0, imageRows, targetX0, targetEps, weight, seeds }, {})
}
