import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../../lib/autograd/tape.js'
import {
  readSafetensors,
  type SafetensorsTensor,
  writeSafetensors,
} from '../../../lib/files/safetensors/safetensors.js'
import { largestOfNine } from '../../../lib/models/resnet/network.js'
import { type LoadResnetOptions, Resnet } from '../../../lib/models/resnet/resnet.js'
import { mul } from '../../../lib/ops/mul.js'
import { sum } from '../../../lib/ops/reduce.js'
import { memory } from '../../../lib/tensor/device.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray, full, zeros } from '../../../lib/tensor/tensor.js'
import { checkOp } from '../../check_op.js'
import { randomArray } from '../../host_array.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { channelsLast } from '../lpips/fixture.js'

const folder = fileURLToPath(new URL('../../fixtures/resnet/', import.meta.url))
const { features } = JSON.parse(await readFile(join(folder, 'resnet.json'), 'utf8')) as {
  features: Record<string, Record<string, number[][]>>
}
const cases = Object.entries(features).flatMap(([name, sizes]) =>
  Object.keys(sizes).map((size) => [name, size] as const),
)

const worst = (found: ArrayLike<number>, expected: ArrayLike<number>): number =>
  Array.from(found).reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
const largest = (values: ArrayLike<number>): number => worst(values, new Float32Array(values.length))

/** Features of a case's images, and the gradient at these, beside torchvision's. */
async function compare([name, size]: readonly [string, string], options?: LoadResnetOptions) {
  const path = join(folder, `${name}.safetensors`)
  const { tensors } = await readSafetensors(path)
  const of = (what: string) => tensors.get(`${size}.${what}`)!
  using resnet = await Resnet.load(path, options)
  const { shape, values } = channelsLast(of('images'))
  using images = fromArray(values, shape)
  const gradient = trackGradient(images)
  using found = scope(() => {
    const found = resnet.features(images)
    const { data, shape } = of('weights')
    backward(sum(mul(found, fromArray(data as Float32Array, shape))))
    return found
  })
  return {
    features: [await found.readFloats(), features[name]![size]!.flat()] as const,
    gradient: [await gradient.readFloats(), channelsLast(of('gradient')).values] as const,
  }
}

describe.each(cases)("torchvision's ResNet of %s blocks, for images of %s", (...of) => {
  it('has these features and this gradient', async () => {
    const { features, gradient } = await compare(of)
    expect(worst(...features)).toBeLessThan(3e-6 * largest(features[1]))
    expect(worst(...gradient)).toBeLessThan(3e-5 * largest(gradient[1]))
  })

  it('has them to the precision of bf16', async () => {
    const { features, gradient } = await compare(of, { compute: 'bf16' })
    expect(worst(...features)).toBeLessThan(0.02 * largest(features[1]))
    expect(gradient[0].every(Number.isFinite)).toBe(true)
  })
})

/** The largest of 3 x 3 at each second position, in float64; padding never is. */
const pooled = (height: number, width: number, data: Float64Array) => {
  const half = { height: Math.ceil(height / 2), width: Math.ceil(width / 2) }
  return Float64Array.from({ length: half.height * half.width }, (_, i) => {
    const [top, left] = [2 * Math.floor(i / half.width) - 1, 2 * (i % half.width) - 1]
    let most = -Infinity
    for (let y = Math.max(0, top); y < Math.min(height, top + 3); y++)
      for (let x = Math.max(0, left); x < Math.min(width, left + 3); x++)
        most = Math.max(most, data[y * width + x]!)
    return most
  })
}

it.each([
  [6, 8],
  [5, 7],
  [1, 2],
])('takes the largest of 3 x 3 positions at each second one of %i x %i', async (height, width) => {
  const data = randomArray([1, height, width, 1], 3).data.map(Math.abs)
  await checkOp({
    inputs: { x: { shape: [1, height, width, 1], data } },
    run: ({ x }) => largestOfNine(x),
    reference: ({ x }) => ({
      shape: [1, Math.ceil(height / 2), Math.ceil(width / 2), 1],
      data: pooled(height, width, x.data as Float64Array),
    }),
    dtypes: ['f32'],
  })
})

describe('a file of weights', () => {
  let file: string
  let changed: Map<string, SafetensorsTensor>
  beforeEach(async () => {
    file = join(await temporaryFolder(), 'resnet.safetensors')
    changed = new Map((await readSafetensors(join(folder, 'basic.safetensors'))).tensors)
  })
  const floats = (shape: number[], value = 1): SafetensorsTensor => ({
    dtype: 'f32',
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
  })
  const remedy =
    'expected the weights of a ResNet with the names of torchvision, as scripts/resnet_weights.py writes them'

  it.each([
    ['no ResNet', () => changed.delete('conv1.weight'), `tensor "conv1.weight" is missing; ${remedy}`],
    [
      'no last stage',
      () => changed.delete('layer4.0.conv1.weight'),
      'tensor "layer4.0.conv1.weight" is missing',
    ],
    [
      'no shortcut where one is needed',
      () => changed.delete('layer2.0.downsample.0.weight'),
      'tensor "layer2.0.downsample.0.weight" is missing',
    ],
    [
      'no statistics',
      () => changed.delete('layer1.1.bn2.running_var'),
      'tensor "layer1.1.bn2.running_var" is missing',
    ],
    [
      'grouped convolutions',
      () => changed.set('layer1.0.conv2.weight', floats([4, 2, 3, 3])),
      'tensor "layer1.0.conv2.weight" must be F32, BF16, F16 or F64 of shape [4, 4, 3, 3], it is F32 of [4, 2, 3, 3]',
    ],
    [
      'a weight that is not finite',
      () => changed.set('bn1.bias', floats([4], NaN)),
      'tensor "bn1.bias" must have finite values, element 0 is NaN',
    ],
  ])('with %s is named, and holds nothing', async (_, change, message) => {
    change()
    await writeSafetensors(file, changed)
    const before = memory().live
    await expect(Resnet.load(file)).rejects.toThrow(`${file}: ${message}`)
    expect(memory().live).toBe(before)
  })

  it('that is none is named', async () => {
    await writeFile(file, 'resnet')
    await expect(Resnet.load(file)).rejects.toThrow(`${file}: holds 6 bytes`)
    await expect(Resnet.load(`${file}.no`)).rejects.toThrow(`${file}.no: no such file`)
  })

  it('holds nothing once it is disposed of, and says what images must be', async () => {
    const before = memory().live
    {
      using resnet = await Resnet.load(join(folder, 'basic.safetensors'))
      using pair = zeros([1, 8, 8, 2])
      expect(() => resnet.features(pair)).toThrow(
        'Resnet: images must have shape [*, *, *, 3] or [*, *, *, 1]',
      )
      using integers = fromArray(new Int32Array(3), [1, 1, 1, 3])
      expect(() => resnet.features(integers)).toThrow('images must be f32 or bf16')
      using gray = scope(() => resnet.features(full([1, 8, 8, 1], 0.5)))
      using color = scope(() => resnet.features(full([1, 8, 8, 3], 0.5)))
      expect(await gray.readFloats()).toEqual(await color.readFloats())
    }
    expect(memory().live).toBe(before)
  })
})
