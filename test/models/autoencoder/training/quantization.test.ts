import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../../../lib/autograd/tape.js'
import { readSafetensors, type SafetensorsTensor } from '../../../../lib/files/safetensors/safetensors.js'
import { Codebook } from '../../../../lib/models/autoencoder/codebook.js'
import { quantize } from '../../../../lib/models/autoencoder/training/quantization.js'
import { type ComputeType, ParameterArena } from '../../../../lib/nn/arena.js'
import { ParameterList } from '../../../../lib/nn/parameters.js'
import { add } from '../../../../lib/ops/add.js'
import { cast } from '../../../../lib/ops/cast.js'
import { mul } from '../../../../lib/ops/mul.js'
import { mean, sum } from '../../../../lib/ops/reduce.js'
import { sampleLatents } from '../../../../lib/ops/sample_latents.js'
import { scale } from '../../../../lib/ops/scale.js'
import { scope } from '../../../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../../../lib/tensor/tensor.js'
import { compare } from '../../../check_op.js'

const { tensors } = await readSafetensors(
  fileURLToPath(new URL('../../../fixtures/latent_losses/expected.safetensors', import.meta.url)),
)
const expected = (name: string): SafetensorsTensor => tensors.get(name)!

/** [N, C, H, W] of the fixture as ours, [N, H, W, C]. */
function channelsLast({ shape, data }: SafetensorsTensor): { shape: number[]; data: Float32Array } {
  const [N, C, H, W] = shape as [number, number, number, number]
  const values = Float32Array.from(data, Number)
  const at = (n: number, i: number, c: number) => values[(n * C + c) * H * W + i]!
  return {
    shape: [N, H, W, C],
    data: values.map((_, i) => at(Math.floor(i / (H * W * C)), Math.floor(i / C) % (H * W), i % C)),
  }
}
const upload = (name: string): Tensor => {
  const { shape, data } = channelsLast(expected(name))
  return fromArray(data, shape)
}

it('the divergence of sampled latents and its gradient are those of diffusers', async () => {
  const moments = upload('kl.moments')
  const gradient = trackGradient(moments)
  const { kl } = sampleLatents(
    moments,
    fromArray(
      Int32Array.from({ length: 8 }, (_, i) => i),
      [2, 4],
    ),
  )
  const weights = Float32Array.from(expected('kl.weights').data, Number)
  backward(sum(mul(kl, fromArray(weights))))
  compare('kl', await kl.readFloats(), Array.from(expected('kl.kl').data, Number), 'f32')
  const { data } = channelsLast(expected('kl.dmoments'))
  compare('gradient', await gradient.readFloats(), data, 'f32')
})

/** The fixture's codes and latents, quantized with the loss of diffusers' VectorQuantizer. */
function quantized(compute: ComputeType) {
  const [K, C] = expected('quantizer.codes').shape as [number, number]
  const list = new ParameterList()
  const codebook = new Codebook(list, K, C)
  const arena = new ParameterArena(list.parameters, compute)
  arena.zeroGradients()
  arena.write(codebook.weight, Float32Array.from(expected('quantizer.codes').data, Number))
  arena.updated()
  const z = cast(upload('quantizer.z'), compute)
  const gradient = trackGradient(z)
  const {
    z: y,
    ids,
    loss,
  } = scope(() => {
    const { z: y, ids, codebook: ofCodes, commitment } = quantize(codebook, z)
    const loss = add(mean(ofCodes), scale(mean(commitment), 0.25))
    backward(add(loss, sum(mul(cast(y, 'f32'), upload('quantizer.weights')))))
    return { z: y, ids, loss }
  })
  return { y, ids, loss, gradient, ofCodes: codebook.weight.tensor.gradientTarget!.gradient }
}

describe.each(['f32', 'bf16'] as const)('quantize in %s', (compute) => {
  it('gives the codes, losses and gradients of diffusers', async () => {
    const { y, ids, loss, gradient, ofCodes } = quantized(compute)
    const values = async (name: string, tensor: Tensor, wanted: ArrayLike<number>) => {
      const found = await tensor.readFloats()
      const largest = Math.max(...Array.from(wanted, Math.abs))
      const worst = Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)))
      // In bf16 latents and codes are rounded to 2^-9 of their size.
      expect(worst, name).toBeLessThan(largest * (compute === 'f32' ? 1e-6 : 2 ** -7))
    }
    expect([...(await ids.readInts())]).toEqual(Array.from(expected('quantizer.ids').data, Number))
    await values('y', y, channelsLast(expected('quantizer.quantized')).data)
    await values('loss', loss, Array.from(expected('quantizer.loss').data, Number))
    await values('gradient of z', gradient, channelsLast(expected('quantizer.dz')).data)
    await values('gradient of codes', ofCodes, Array.from(expected('quantizer.dcodes').data, Number))
  })
})
