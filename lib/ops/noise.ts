import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkFinite, checkFloat, checkInteger, checkRank } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'
import { checkImages } from './image_rows.js'

interface NormalOptions {
  channels: number
  rows: number
  scale: number
}

const normalOp = defineOp({
  name: 'normal',
  forward(
    { imageRows, seeds }: { imageRows: Tensor; seeds: Tensor },
    { channels, rows, scale }: NormalOptions,
  ) {
    checkInteger('channels', channels, 1)
    checkInteger('rows', rows, 0)
    checkFinite('scale', scale)
    checkImages(imageRows, seeds, {})
    const y = empty([rows, channels])
    native.normal(y.handle, imageRows.handle, seeds.handle, scale)
    return { output: y, saved: {} }
  },
  backward: 'none',
})

/**
 * Samples standard normal numbers, times `scale`, for images of any sizes: image i has rows imageRows[i] to
 * imageRows[i + 1] - 1. A number depends on its image's seed and its place in the image alone.
 *
 * imageRows [N + 1] i32; seeds [N, 4] i32, key and stream of Philox4x32-10 for each image -> y [rows, channels] f32. It
 * has no derivative.
 * @throws ArgumentError unless shapes and dtypes are these; reading rejects unless imageRows begin with 0, never
 *   decrease and end with `rows`
 */
export const normal = (imageRows: Tensor, seeds: Tensor, channels: number, rows: number, scale = 1): Tensor =>
  normalOp({ imageRows, seeds }, { channels, rows, scale })

type AddNoiseInputs = {
  x0: Tensor
  imageRows: Tensor
  alpha: Tensor
  sigma: Tensor
  seeds: Tensor
}

const addNoiseOp = defineOp({
  name: 'add_noise',
  forward({ x0, imageRows, alpha, sigma, seeds }: AddNoiseInputs) {
    checkFloat('x0', x0)
    checkRank('x0', x0, 2)
    checkImages(imageRows, seeds, { alpha, sigma })
    const xt = emptyLike(x0)
    native.add_noise(xt.handle, x0.handle, imageRows.handle, alpha.handle, sigma.handle, seeds.handle)
    return { output: xt, saved: {} }
  },
  backward: 'none',
})

/**
 * Adds noise to each image, the forward diffusion process: xt = alpha[i] x0 + sigma[i] eps, where eps is the noise that
 * `normal` makes of the same seeds (paper, section 2.2).
 *
 * x0 [S, C] f32 or bf16, imageRows [N + 1] i32, alpha and sigma [N] f32, seeds [N, 4] i32 -> xt like x0. It has no
 * derivative.
 * @throws ArgumentError unless shapes and dtypes are these; reading rejects unless imageRows begin with 0, never
 *   decrease and end with S
 */
export const addNoise = (
  x0: Tensor,
  imageRows: Tensor,
  alpha: Tensor,
  sigma: Tensor,
  seeds: Tensor,
): Tensor => addNoiseOp({ x0, imageRows, alpha, sigma, seeds }, {})
