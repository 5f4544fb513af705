import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import type { Image } from '../../lib/image/image.js'
import { AutoencoderCodec } from '../../lib/models/autoencoder/codec.js'
import { generator } from '../host_array.js'

const fixtures = fileURLToPath(new URL('../fixtures/autoencoders/', import.meta.url))

it.each(['sd', 'vq'])('an autoencoder gives on a GPU what it gives on the CPU: %s', async (name) => {
  const load = async (device: 'cpu' | 'cuda') => {
    const codec = await AutoencoderCodec.load(join(fixtures, name), { device })
    onTestFinished(() => codec[Symbol.dispose]())
    return codec
  }
  const [cpu, gpu] = [await load('cpu'), await load('cuda')]
  const next = generator(1)
  const [height, width] = [16, 24]
  const data = Uint8Array.from({ length: height * width * 3 }, () => 256 * next())
  const image: Image = { height, width, channels: 3, data }
  const [expected, found] = await Promise.all([cpu.encode([image]), gpu.encode([image])])
  const largest = Math.max(...expected.map(Math.abs))
  found.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4 * largest))
  const size = [{ height: height / cpu.downscale, width: width / cpu.downscale }]
  const [one, other] = await Promise.all([cpu.decode(expected, size), gpu.decode(expected, size)])
  other[0]!.data.forEach((value, i) => expect(Math.abs(value - one[0]!.data[i]!)).toBeLessThanOrEqual(1))
})
