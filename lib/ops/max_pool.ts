import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkFloat, checkInteger, checkRank } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'max_pool',
  forward({ x }: { x: Tensor }, { window }: { window: number }) {
    checkFloat('x', x)
    checkRank('x', x, 4)
    checkInteger('window', window, 1, 4096)
    const [N, H, W, C] = x.shape as [number, number, number, number]
    if (H < window || W < window) throw new ArgumentError('x', `have at least ${window} rows and columns`, x)
    const y = empty([N, Math.floor(H / window), Math.floor(W / window), C], x.dtype)
    native.max_pool(y.handle, x.handle, window)
    return { output: y, saved: { x, window } }
  },
  backward(dy, { x, window }) {
    const dx = emptyLike(x)
    native.max_pool_backward(dx.handle, dy.handle, x.handle, window)
    return { x: dx }
  },
})

/**
 * Replaces each block of `window` by `window` pixels by its largest value, channel by channel; rows and columns that do not
 * fill a block are left out. The gradient goes to the first of equal values, and NaN is larger than any number, as PyTorch
 * has it.
 *
 * x [N, H, W, C] f32 or bf16 -> y [N, floor(H / window), floor(W / window), C] of x's dtype; `window` in 1..4096.
 * @throws ArgumentError unless x has 4 axes, and a window's height and width at least
 */
export const maxPool = (x: Tensor, window = 2): Tensor => op({ x }, { window })
