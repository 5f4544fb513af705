import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import {
  readSafetensors,
  type SafetensorsTensor,
  writeSafetensors,
} from '../../../lib/files/safetensors/safetensors.js'
import {
  loadAutoencoder,
  type LoadedAutoencoder,
  saveAutoencoder,
} from '../../../lib/models/autoencoder/io/folder.js'
import { scaleLatents, unscaleLatents } from '../../../lib/image/latent_scale.js'
import { autoencoderParameters } from '../../../lib/models/autoencoder/network.js'
import { memory } from '../../../lib/tensor/device.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../../lib/tensor/tensor.js'
import { temporaryFolder } from '../../temporary_folder.js'

const fixtures = fileURLToPath(new URL('../../fixtures/autoencoders/', import.meta.url))
const weightsFile = 'diffusion_pytorch_model.safetensors'

interface Expected {
  float32_error: Record<string, number>
}

const expectedOf = async (name: string) => {
  const { tensors } = await readSafetensors(join(fixtures, name, 'expected.safetensors'))
  const json = JSON.parse(await readFile(join(fixtures, name, 'expected.json'), 'utf8')) as Expected
  return { tensors, errors: json.float32_error }
}

/** [N, C, H, W] of a fixture as ours, [N, H, W, C]. */
function channelsLast({ shape, data }: SafetensorsTensor): { shape: number[]; data: Float32Array } {
  const [N, C, H, W] = shape as [number, number, number, number]
  const values = new Float32Array(data.length)
  for (let n = 0; n < N; n++)
    for (let c = 0; c < C; c++)
      for (let i = 0; i < H * W; i++) values[(n * H * W + i) * C + c] = Number(data[(n * C + c) * H * W + i])
  return { shape: [N, H, W, C], data: values }
}

const upload = (tensor: SafetensorsTensor): Tensor => {
  const { shape, data } = channelsLast(tensor)
  return fromArray(data, shape)
}

/** That values agree within `error`, the largest difference. */
function expectClose(found: Float32Array, expected: SafetensorsTensor, error: number, what: string): void {
  const { data } = channelsLast(expected)
  expect(found.length, what).toBe(data.length)
  const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - data[i]!)), 0)
  expect(worst, what).toBeLessThan(error)
}

let loaded: LoadedAutoencoder | undefined
afterEach(() => {
  loaded?.network[Symbol.dispose]()
  loaded = undefined
})

const load = async (...args: Parameters<typeof loadAutoencoder>) => (loaded = await loadAutoencoder(...args))

describe.each(['sd', 'sd3', 'latents-mean-std', 'old-attention'])('AutoencoderKL %s', (name) => {
  it('gives mean, log-variance, decoded mean and scaled latents of diffusers, of sizes that do not divide too', async () => {
    const { network, scale } = await load(join(fixtures, name))
    const { tensors, errors } = await expectedOf(name)
    const latentError = 4 * errors.mean!
    const imageError = 4 * errors.decoded_mean!
    for (const size of ['', 'uneven.']) {
      const expected = (what: string) => tensors.get(`${size}${what}`)!
      const { mean, logVariance, decoded } = scope(() => {
        const distribution = network.distribution(upload(expected('image')))
        return { ...distribution, decoded: network.decode(upload(expected('mean'))) }
      })
      const values = await mean.readFloats()
      expectClose(values, expected('mean'), latentError, `${size}mean`)
      expectClose(await logVariance.readFloats(), expected('logvar'), latentError, `${size}logvar`)
      expectClose(await decoded.readFloats(), expected('decoded_mean'), imageError, `${size}decoded`)
      if (size === '') {
        const widest = Math.max(...scale.std.map((std) => Math.abs(scale.factor / std)))
        const scaled = scaleLatents(values, scale)
        expectClose(scaled, expected('scaled_mean'), latentError * Math.max(1, widest), 'scaled')
        expectClose(unscaleLatents(scaled, scale), expected('mean'), 2 * latentError, 'unscaled')
        expectClose(values, tensors.get('float64.mean')!, latentError, 'float64.mean')
      }
      for (const tensor of [mean, logVariance, decoded]) tensor.free()
    }
  })

  it('is saved as diffusers has it, and loaded again with the same bits', async () => {
    const folder = await temporaryFolder()
    const { network, scale } = await load(join(fixtures, name))
    await saveAutoencoder(folder, { network, scale })
    const { tensors: before } = await readSafetensors(join(fixtures, name, weightsFile))
    const { tensors: after, metadata } = await readSafetensors(join(folder, weightsFile))
    expect(metadata).toEqual({ format: 'pt' })
    const current = (old: string) =>
      old
        .replace('.query.', '.to_q.')
        .replace('.key.', '.to_k.')
        .replace('.value.', '.to_v.')
        .replace('.proj_attn.', '.to_out.0.')
    expect([...after.keys()].toSorted()).toEqual([...before.keys()].map(current).toSorted())
    for (const [old, { shape, data }] of before)
      expect(after.get(current(old))).toEqual({ dtype: 'f32', shape, data })

    const again = await loadAutoencoder(folder)
    expect(again.network.config).toEqual(network.config)
    const values = await Promise.all([network, again.network].map(({ arena }) => arena.values.readFloats()))
    expect(values[0]).toEqual(values[1])
    expect(again.scale).toEqual(scale)
    again.network[Symbol.dispose]()
  })
})

it('VQModel: gives latents, codes and reconstruction of diffusers', async () => {
  const { network } = await load(join(fixtures, 'vq'))
  const { tensors, errors } = await expectedOf('vq')
  const expected = (what: string) => tensors.get(what)!
  const { latents, codes, quantized, image } = scope(() => {
    const x = upload(expected('image'))
    const codes = network.encodeToCodes(x)
    return {
      latents: network.encode(x),
      codes,
      quantized: network.codebook.vectors(codes),
      image: network.decodeCodes(codes),
    }
  })
  expectClose(await latents.readFloats(), expected('latents'), 4 * errors.latents!, 'latents')
  expect(await codes.readInts()).toEqual(expected('codes').data)
  expect(await quantized.readFloats()).toEqual(channelsLast(expected('quantized')).data)
  expectClose(
    await image.readFloats(),
    expected('reconstruction'),
    4 * errors.reconstruction!,
    'reconstruction',
  )
  for (const tensor of [latents, codes, quantized, image]) tensor.free()
})

it('bf16 gives what f32 gives, to its rounding', async () => {
  const { tensors } = await expectedOf('sd')
  const { network } = await load(join(fixtures, 'sd'), { compute: 'bf16' })
  using decoded = scope(() => {
    const { shape, data } = channelsLast(tensors.get('mean')!)
    return network.decode(fromArray(Uint16Array.from(data, bf16Bits), shape, 'bf16'))
  })
  const { data } = channelsLast(tensors.get('decoded_mean')!)
  const rms = (values: Float32Array) =>
    Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length)
  const found = await decoded.readFloats()
  // Some two dozen layers one after the other, each rounded to 8 bits.
  expect(rms(found.map((value, i) => value - data[i]!)) / rms(data)).toBeLessThan(0.02)
})

/** Rounded to nearest even. */
function bf16Bits(value: number): number {
  const [bits] = new Uint32Array(Float32Array.of(value).buffer)
  return (bits! + 0x7fff + ((bits! >>> 16) & 1)) >>> 16
}

it('names what is missing, malformed and not supported, and keeps nothing', async () => {
  const before = memory().live
  const folder = await temporaryFolder()
  await cp(join(fixtures, 'sd'), folder, { recursive: true })
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>
  const message = async (changes: Record<string, unknown>) => {
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, ...changes }))
    return loadAutoencoder(folder).then(
      ({ network }) => {
        network[Symbol.dispose]()
        return 'loaded'
      },
      (error: Error) => error.message.replaceAll(folder, ''),
    )
  }
  expect(await message({ latent_channels: 8 })).toContain(
    'tensor "encoder.conv_out.weight" must be F32, BF16, F16 or F64 of shape [16, 16, 3, 3], it is F32 of [8, 16, 3, 3]',
  )
  expect(
    await message({
      down_block_types: ['DownEncoderBlock2D', 'AttnDownEncoderBlock2D', 'DownEncoderBlock2D'],
    }),
  ).toContain('down_block_types[1]: expected "DownEncoderBlock2D": blocks of other types are not supported')
  expect(await message({ _class_name: 'AutoencoderTiny' })).toContain('_class_name')
  expect(await message({ norm_num_groups: 3 })).toContain('channels[0]: expected a multiple of groups (3)')
  expect(await message({ use_quant_conv: false })).toContain('has no tensor "quant_conv.')
  expect(await message({ latents_mean: [1, 2] })).toContain('latents_mean: expected 4')
  expect(await message({})).toBe('loaded')

  const bytes = await readFile(join(folder, weightsFile))
  await writeFile(join(folder, weightsFile), bytes.subarray(0, bytes.length - 100))
  expect(await message({})).toContain(`/${weightsFile}: `)
  await writeFile(join(folder, weightsFile), bytes)
  expect(await message({})).toBe('loaded')

  const { tensors } = await readSafetensors(join(folder, weightsFile))
  tensors.delete('encoder.conv_in.bias')
  await writeSafetensors(join(folder, weightsFile), tensors)
  expect(await message({})).toContain('tensor "encoder.conv_in.bias" is missing')
  await rm(join(folder, weightsFile))
  await writeFile(join(folder, 'diffusion_pytorch_model.bin'), '')
  expect(await message({})).toContain('diffusion_pytorch_model.bin is pickled, which is not read')
  expect(memory().live).toBe(before)
})

it('has the sizes of the autoencoders that people have', () => {
  const count = (options: Parameters<typeof autoencoderParameters>[0]) =>
    autoencoderParameters(options).reduce(
      (total, { shape }) => total + shape.reduce((product, size) => product * size, 1),
      0,
    )
  // Stable Diffusion 1.5's, 83,653,863 parameters.
  expect(count({ channels: [128, 256, 512, 512], latentChannels: 4 })).toBe(83_653_863)
})
