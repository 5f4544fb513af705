import { checkArguments } from '../arguments.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { emptyLike, type Tensor } from '../tensor/tensor.js'
import { checkImages } from './image_rows.js'

type Inputs = {
  /** x_t of all images [S, C], f32 or bf16. */
  x: Tensor
  /** The network's prediction from x, like x. */
  conditional: Tensor
  /** The prediction without the condition, like x; undefined: no guidance. */
  unconditional: Tensor | undefined
  /** x0 of the step before; undefined: none, or not needed. */
  previousX0: Tensor | undefined
  /** [N + 1] i32: image i owns rows imageRows[i] to imageRows[i + 1] - 1. */
  imageRows: Tensor
  /** [N, 7] f32: guidance, fromX, fromPrediction, xCoeff, x0Coeff, previousX0Coeff, noiseCoeff of each image. */
  coefficients: Tensor
  /** [N, 4] i32: the noise of this step. */
  seeds: Tensor
}

/** The arguments of `denoise`. S rows of C channels of N images. */
export interface DenoiseStep extends Inputs {
  /** The data's range, to which x0 is clipped; undefined: not clipped. */
  clip: readonly [least: number, most: number] | undefined
}

type Clip = DenoiseStep['clip']

const op = defineOp({
  name: 'denoise',
  optional: ['unconditional', 'previousX0'],
  forward(inputs: Inputs, { clip }: { clip: Clip }) {
    const { x, conditional, unconditional, previousX0, imageRows, coefficients, seeds } = inputs
    checkFloat('x', x)
    checkRank('x', x, 2)
    for (const [name, tensor] of Object.entries({ conditional, unconditional, previousX0 }))
      if (tensor) {
        checkShape(name, tensor, x.shape)
        checkDType(name, tensor, x.dtype)
      }
    const images = checkImages(imageRows, seeds, {})
    checkDType('coefficients', coefficients, 'f32')
    checkShape('coefficients', coefficients, [images, 7])
    const range: readonly number[] = clip ?? [-Infinity, Infinity]
    const [least, most] = range as NonNullable<Clip>
    if (!(typeof least === 'number' && typeof most === 'number' && least <= most))
      throw new ArgumentError('clip', 'be a range, least and most', range)
    const y = emptyLike(x)
    const x0 = emptyLike(x)
    native.denoise(
      y.handle,
      x0.handle,
      x.handle,
      conditional.handle,
      unconditional?.handle,
      previousX0?.handle,
      imageRows.handle,
      coefficients.handle,
      seeds.handle,
      least,
      most,
    )
    return { output: [y, x0] as const, saved: {} }
  },
  backward: 'none',
})

/**
 * One step of a sampler for each image, with classifier-free guidance (paper, sections 2.2 and 4.1):
 *
 *     prediction = unconditional + guidance (conditional - unconditional)
 *     x0 = clip(fromX x + fromPrediction prediction)
 *     y = xCoeff x + x0Coeff x0 + previousX0Coeff previousX0 + noiseCoeff eps
 *
 * where eps is the noise that `normal` makes of these seeds, and the coefficients are those of {@link SamplerStep}. All
 * tensors of images are [S, C], of x's dtype, f32 or bf16 -> y and x0 alike. A NaN stays NaN: it is not clipped. It has
 * no derivative.
 * @throws ArgumentError unless shapes and dtypes fit and clip is a range
 */
export function denoise(step: DenoiseStep): { y: Tensor; x0: Tensor } {
  checkArguments('denoise', { step: [step, 'object'] })
  const { clip, ...inputs } = step
  const [y, x0] = op(inputs, { clip })
  return { y, x0 }
}
