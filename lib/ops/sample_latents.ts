import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'sample_latents',
  forward({ moments, seeds }: { moments: Tensor; seeds: Tensor }) {
    checkFloat('moments', moments)
    checkRank('moments', moments, 2, 6)
    if (moments.size(-1) % 2 !== 0)
      throw new ArgumentError('moments', 'have an even number of channels, means and log-variances', moments)
    const N = moments.size(0)
    checkDType('seeds', seeds, 'i32')
    checkShape('seeds', seeds, [N, 4])
    const z = empty([...moments.shape.slice(0, -1), moments.size(-1) / 2], moments.dtype)
    const kl = empty([N])
    native.sample_latents(z.handle, kl.handle, moments.handle, seeds.handle)
    return { output: [z, kl] as const, saved: { moments, seeds } }
  },
  backward([dz, dkl]: readonly Tensor[], { moments, seeds }) {
    const dmoments = emptyLike(moments)
    native.sample_latents_backward(dmoments.handle, dz!.handle, dkl!.handle, moments.handle, seeds.handle)
    return { moments: dmoments }
  },
})

/**
 * Samples the latents of a KL autoencoder from the distributions that its encoder gives, each value's normal and
 * independent of the others, by the reparameterization trick (Kingma and Welling 2014), and says how far they are from
 * standard normal ones:
 *
 *     z = mean + exp(v / 2) eps
 *     kl[n] = sum of (mean^2 + exp(v) - 1 - v) / 2 over the values of latent n, in nats
 *
 * v is the log-variance, clamped to -30 .. 20 with a derivative of 0 beyond, as in diffusers; eps the noise that `normal`
 * makes of the same seeds. One op for both, which share memory and exponentials. kl is the sum over a latent, as in
 * taming-transformers and diffusers; those who add it to a loss that is a mean over pixels, where theirs is a sum, divide
 * it by the values of an image to keep their balance of the two.
 *
 * moments [N, ..., 2 L] f32 or bf16: L means, then L log-variances of each position; seeds [N, 4] i32, key and stream of
 * Philox4x32-10 for each image -> z [N, ..., L] of the moments' dtype, kl [N] f32. It has a derivative for the moments.
 * @throws ArgumentError unless shapes and dtypes are these
 */
export function sampleLatents(moments: Tensor, seeds: Tensor): { z: Tensor; kl: Tensor } {
  const [z, kl] = op({ moments, seeds }, {})
  return { z, kl }
}
