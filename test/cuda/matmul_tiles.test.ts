import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { conv2d } from '../../lib/ops/conv2d.js'
import { withDevice } from '../../lib/tensor/device.js'
import { empty, zeros } from '../../lib/tensor/tensor.js'
import { randomArray, toTensor } from '../host_array.js'
import { matmul as reference } from '../reference/matmul.js'

const layouts = [
  { transposeA: false, transposeB: true },
  { transposeA: false, transposeB: false },
  { transposeA: true, transposeB: false },
]

/** Of few bits: bf16 holds them, and f32 sums of their products. */
const sixteenths = (shape: number[], seed?: number) => ({
  shape,
  data: randomArray(shape, seed).data.map((v) => Math.round(v * 16) / 16),
})

// Sizes for which cuda/matmul/tile_choice.h takes these tiles where there are 108 multiprocessors, with rows and columns
// beyond the ends of both matrices in the last ones.
describe.each([
  ['medium', 1000, 1032, 72],
  ['large', 3400, 1016, 72],
  // Rows of words of 4 bytes, and of single elements.
  ['medium', 1002, 1034, 70],
  ['medium', 1001, 1033, 71],
])('matmul in %s tiles', (_, M, N, K) => {
  it.each(layouts)('is exact where sums are: %j', async ({ transposeA, transposeB }) => {
    const a = sixteenths(transposeA ? [K, M] : [M, K])
    const b = sixteenths(transposeB ? [N, K] : [K, N], 2)
    const expected = Float32Array.from(reference(a, b, { transposeA, transposeB }).data)
    const y = zeros([M, N])
    const [left, right] = [toTensor(a, 'bf16'), toTensor(b, 'bf16')]
    native.matmul(y.handle, left.handle, right.handle, undefined, transposeA, transposeB)
    const values = await y.readFloats()
    expect(values.findIndex((value, i) => value !== expected[i])).toBe(-1)
  })
})

it('convolves in tiles of 128 x 128 as the CPU does', async () => {
  const x = sixteenths([5, 49, 49, 128])
  const weight = sixteenths([128, 2, 2, 128], 2)
  const dy = sixteenths([5, 48, 48, 128], 3)
  const passes = () => {
    const [images, filters, gradient] = [x, weight, dy].map((array) => toTensor(array, 'bf16'))
    const dx = empty(x.shape, 'bf16')
    native.conv2d_backward_input(dx.handle, gradient!.handle, filters!.handle, 1, 0, 1)
    const dweight = zeros(weight.shape)
    native.conv2d_backward_weight(dweight.handle, gradient!.handle, images!.handle, 1, 0, 1)
    return Promise.all([conv2d(images!, filters!), dx, dweight].map((tensor) => tensor.readFloats()))
  }
  const found = await passes()
  const expected = await withDevice('cpu', () => ({ passes: passes() })).passes
  for (const [i, pass] of ['y', 'dx', 'dweight'].entries())
    expect(
      found[i]!.findIndex((value, j) => value !== expected[i]![j]),
      pass,
    ).toBe(-1)
})
