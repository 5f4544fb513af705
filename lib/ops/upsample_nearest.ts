import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkFloat, checkInteger, checkRank } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'upsample_nearest',
  forward({ x }: { x: Tensor }, { factor }: { factor: number }) {
    checkFloat('x', x)
    checkRank('x', x, 4)
    checkInteger('factor', factor, 1, 4096)
    const [N, H, W, C] = x.shape as [number, number, number, number]
    const y = empty([N, H * factor, W * factor, C], x.dtype)
    native.upsample_nearest(y.handle, x.handle, 1)
    return { output: y, saved: { x } }
  },
  backward(dy, { x }) {
    const dx = emptyLike(x)
    native.sum_pool(dx.handle, dy.handle, 1)
    return { x: dx }
  },
})

/**
 * Enlarges images by repeating pixels: each becomes a block of factor by factor equal ones.
 *
 * x [N, H, W, C] f32 or bf16 -> y [N, factor H, factor W, C] of x's dtype; `factor` in 1..4096.
 * @throws ArgumentError unless x has 4 axes and the factor is in its range
 */
export const upsampleNearest = (x: Tensor, factor = 2): Tensor => op({ x }, { factor })
