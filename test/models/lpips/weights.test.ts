import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { type SafetensorsTensor, writeSafetensors } from '../../../lib/files/safetensors/safetensors.js'
import { memory } from '../../../lib/tensor/device.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { cases, imagesOf, load, tensors } from './fixture.js'

describe('a file of weights', () => {
  let file: string
  let changed: Map<string, SafetensorsTensor>
  beforeEach(async () => {
    file = join(await temporaryFolder(), 'lpips.safetensors')
    changed = new Map([...tensors].filter(([name]) => /^(net|lin|scaling)/.test(name)))
  })
  const loading = async () => {
    await writeSafetensors(file, changed)
    return load(file)
  }
  const floats = (shape: number[], value = 1): SafetensorsTensor => ({
    dtype: 'f32',
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
  })

  it('may be of bf16', async () => {
    for (const [name, { shape, data }] of changed) {
      const bits = new Uint32Array(Float32Array.from(data as Float32Array).buffer)
      changed.set(name, { dtype: 'bf16', shape, data: Uint16Array.from(bits, (value) => value >>> 16) })
    }
    const { first, second } = imagesOf('other')
    const [distance] = await (await loading()).distance(first, second).readFloats()
    expect(Math.abs(distance! - cases['other']!.float64[0]!)).toBeLessThan(0.01)
  })

  it.each([
    [
      'a missing tensor',
      () => changed.delete('net.slice3.12.weight'),
      'tensor "net.slice3.12.weight" is missing; scripts/lpips_weights.py makes a file of LPIPS over VGG16',
    ],
    [
      'a missing head',
      () => changed.delete('lin4.model.1.weight'),
      'tensor "lin4.model.1.weight" is missing',
    ],
    [
      'a convolution of another number of inputs',
      () => changed.set('net.slice2.7.weight', floats([16, 15, 3, 3])),
      'tensor "net.slice2.7.weight" must be F32, BF16, F16 or F64 of shape [16, 16, 3, 3], it is F32 of [16, 15, 3, 3]',
    ],
    [
      'a convolution without outputs',
      () => changed.set('net.slice1.0.weight', floats([0, 3, 3, 3])),
      'tensor "net.slice1.0.weight" must be F32, BF16, F16 or F64 of shape [1, 3, 3, 3], it is F32 of [0, 3, 3, 3]',
    ],
    [
      'a head of another width',
      () => changed.set('lin0.model.1.weight', floats([1, 9, 1, 1])),
      'tensor "lin0.model.1.weight" must be F32, BF16, F16 or F64 of shape [1, 8, 1, 1], it is F32 of [1, 9, 1, 1]',
    ],
    [
      'a bias that is not finite',
      () => changed.set('net.slice5.28.bias', floats([64], NaN)),
      'tensor "net.slice5.28.bias" must have finite values, element 0 is NaN',
    ],
    [
      'a scale of 0',
      () => changed.set('scaling_layer.scale', floats([1, 3, 1, 1], 0)),
      'tensor "scaling_layer.scale" must have no zeros, it divides by them',
    ],
  ])('is refused with %s', async (_, change, message) => {
    change()
    const before = memory().live
    await expect(loading()).rejects.toThrow(`${file}: ${message}`)
    expect(memory().live).toBe(before)
  })

  it('is refused where it was cut short, is no safetensors file, or is none', async () => {
    await writeSafetensors(file, changed)
    await truncate(file, 500_000)
    await expect(load(file)).rejects.toThrow(`${file}: tensor "`)
    await writeFile(file, 'PK\x03\x04 what torch.save writes, of some length')
    await expect(load(file)).rejects.toThrow(`${file}: announces a header of`)
    await expect(load(join(file, '..', 'none'))).rejects.toThrow('no such file')
  })
})
