import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

/** How far a value is off: |y - x|, L1, or (y - x)^2, L2. */
export type PixelErrorKind = 'absolute' | 'squared'

const op = defineOp({
  name: 'pixel_error',
  constants: ['x'],
  forward({ y, x }: { y: Tensor; x: Tensor }, { kind }: { kind: PixelErrorKind }) {
    checkFloat('y', y)
    checkRank('y', y, 1, 6)
    checkShape('x', x, y.shape)
    checkDType('x', x, y.dtype)
    if (kind !== 'absolute' && kind !== 'squared')
      throw new ArgumentError('kind', "be 'absolute' or 'squared'", kind)
    const squared = kind === 'squared'
    const losses = empty([y.size(0)])
    native.pixel_error(losses.handle, y.handle, x.handle, squared)
    return { output: losses, saved: { y, x, squared } }
  },
  backward(dlosses, { y, x, squared }) {
    const dy = emptyLike(y)
    native.pixel_error_backward(dy.handle, dlosses.handle, y.handle, x.handle, squared)
    return { y: dy }
  },
})

/**
 * How far reconstructions y are from images x, or latents from latents: losses[n] = mean of |y - x|, or where `kind` is
 * 'squared' of (y - x)^2, over the values of image n. The paper's autoencoder is trained with the former, L1 (appendix A).
 *
 * y and x [N, ...] f32 or bf16, up to 6 axes -> losses [N] f32, with a derivative for y alone; that of |y - x| is 0 where y
 * is x. An image without values has loss 0.
 * @throws ArgumentError unless shapes and dtypes are the same and `kind` is one of the two
 */
export const pixelError = (y: Tensor, x: Tensor, kind: PixelErrorKind = 'absolute'): Tensor =>
  op({ y, x }, { kind })
