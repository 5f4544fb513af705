import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { zeros } from '../../lib/tensor/tensor.js'
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
