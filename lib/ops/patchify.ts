import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import {
  ArgumentError,
  checkDType,
  checkFloat,
  checkInteger,
  checkRank,
  checkShape,
} from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

interface Patches {
  patch: number
}

function checkPatches(sizes: Tensor, patch: number): void {
  checkDType('sizes', sizes, 'i32')
  checkShape('sizes', sizes, [-1, 2])
  checkInteger('patch', patch, 1, 4096)
}

function toPatches(pixels: Tensor, sizes: Tensor, patch: number): Tensor {
  const [S, C] = pixels.shape as [number, number]
  const patches = empty([S / patch ** 2, patch ** 2 * C], pixels.dtype)
  native.patchify(patches.handle, pixels.handle, sizes.handle, patch)
  return patches
}

function toPixels(patches: Tensor, sizes: Tensor, patch: number): Tensor {
  const [P, values] = patches.shape as [number, number]
  const pixels = empty([P * patch ** 2, values / patch ** 2], patches.dtype)
  native.unpatchify(pixels.handle, patches.handle, sizes.handle, patch)
  return pixels
}

const patchifyOp = defineOp({
  name: 'patchify',
  forward({ pixels, sizes }: { pixels: Tensor; sizes: Tensor }, { patch }: Patches) {
    checkFloat('pixels', pixels)
    checkRank('pixels', pixels, 2)
    checkPatches(sizes, patch)
    if (pixels.size(0) % patch ** 2 !== 0)
      throw new ArgumentError('pixels', `have rows for whole patches of ${patch ** 2}`, pixels)
    return { output: toPatches(pixels, sizes, patch), saved: { sizes, patch } }
  },
  backward: (dpatches, { sizes, patch }) => ({ pixels: toPixels(dpatches, sizes, patch) }),
})

const unpatchifyOp = defineOp({
  name: 'unpatchify',
  forward({ patches, sizes }: { patches: Tensor; sizes: Tensor }, { patch }: Patches) {
    checkFloat('patches', patches)
    checkRank('patches', patches, 2)
    checkPatches(sizes, patch)
    if (patches.size(1) % patch ** 2 !== 0)
      throw new ArgumentError('patches', `have columns for the pixels of a patch, ${patch ** 2}`, patches)
    return { output: toPixels(patches, sizes, patch), saved: { sizes, patch } }
  },
  backward: (dpixels, { sizes, patch }) => ({ patches: toPatches(dpixels, sizes, patch) }),
})

/**
 * Cuts images of any sizes into square patches, row by row; a patch holds its pixels row by row, and each pixel its
 * channels (paper, section 3).
 *
 * pixels [S, C] f32 or bf16, the rows of pixels of one image after another; sizes [N, 2] i32, height and width of each
 * image -> patches [P, patch^2 C] of the pixels' dtype, P = S / patch^2; `patch` in 1..4096.
 * @throws ArgumentError unless shapes and dtypes are these; reading rejects unless every height and width is a multiple
 *   of `patch` and the images have S pixels together
 */
export const patchify = (pixels: Tensor, sizes: Tensor, patch: number): Tensor =>
  patchifyOp({ pixels, sizes }, { patch })

/**
 * Puts patches together to images again, the inverse of `patchify`.
 *
 * patches [P, patch^2 C] f32 or bf16; sizes [N, 2] i32, height and width of each image -> pixels [P patch^2, C] of the
 * patches' dtype; `patch` in 1..4096.
 * @throws ArgumentError unless shapes and dtypes are these; reading rejects unless every height and width is a multiple
 *   of `patch` and the images have P patches together
 */
export const unpatchify = (patches: Tensor, sizes: Tensor, patch: number): Tensor =>
  unpatchifyOp({ patches, sizes }, { patch })
