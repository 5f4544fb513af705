import { noGrad } from '../../../autograd/tape.js'
import { pixelError } from '../../../ops/pixel_error.js'
import { reshape } from '../../../ops/reshape.js'
import { straightThrough } from '../../../ops/straight_through.js'
import type { Tensor } from '../../../tensor/tensor.js'
import type { Codebook } from '../codebook.js'

/** Vectors that were rounded to a codebook's, and what a VQ-VAE learns from. */
export interface Quantized {
  /** [N, h, w, C]: the nearest codes' vectors; their gradient is that of the vectors before, straight through. */
  readonly z: Tensor
  /** [N, h, w] i32. */
  readonly ids: Tensor
  /** [N] f32: mean of |sg(z) - e|^2 over a latent's values; it moves the codes e. */
  readonly codebook: Tensor
  /** [N] f32: mean of |z - sg(e)|^2 over a latent's values; it moves the encoder. */
  readonly commitment: Tensor
}

/**
 * Rounds vectors to the nearest codes, to train a VQ-VAE (van den Oord et al. 2017; the paper, appendix A): its loss is
 * that of the decoder on `z`, plus `codebook`, plus beta (0.25) times `commitment`; sg stops gradients. (The `loss` of
 * diffusers' and taming-transformers' VectorQuantizer has beta at the other of the two terms unless `legacy` is false.)
 *
 * z [N, h, w, C] f32 or bf16; distances are computed in f32.
 */
export function quantize(codebook: Codebook, z: Tensor): Quantized {
  const [N, h, w, C] = z.shape as [number, number, number, number]
  const ids = noGrad(() => reshape(codebook.nearest(reshape(z, [-1, C])), [N, h, w]))
  const codes = codebook.vectors(ids)
  const target = detached(codes)
  return {
    z: straightThrough(z, target),
    ids,
    codebook: pixelError(codes, detached(z), 'squared'),
    commitment: pixelError(z, target, 'squared'),
  }
}

/** A view of the same values that is on no tape. */
export const detached = (x: Tensor): Tensor => x.view(x.shape)
