import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkFloat, checkInteger, checkRank } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'average_pool',
  forward({ x }: { x: Tensor }, { factor }: { factor: number }) {
    checkFloat('x', x)
    checkRank('x', x, 4)
    checkInteger('factor', factor, 1, 4096)
    const [N, H, W, C] = x.shape as [number, number, number, number]
    if (H % factor !== 0 || W % factor !== 0)
      throw new ArgumentError('x', `have height and width that are multiples of ${factor}`, x)
    const y = empty([N, H / factor, W / factor, C], x.dtype)
    native.sum_pool(y.handle, x.handle, 1 / factor ** 2)
    return { output: y, saved: { x, factor } }
  },
  backward(dy, { x, factor }) {
    const dx = emptyLike(x)
    native.upsample_nearest(dx.handle, dy.handle, 1 / factor ** 2)
    return { x: dx }
  },
})

/**
 * Replaces each block of factor by factor pixels by its mean.
 *
 * x [N, factor H, factor W, C] f32 or bf16 -> y [N, H, W, C] of x's dtype; `factor` in 1..4096.
 * @throws ArgumentError unless height and width are multiples of the factor
 */
export const averagePool = (x: Tensor, factor = 2): Tensor => op({ x }, { factor })
