import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { maxPool } from '../../lib/ops/max_pool.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { generator, type HostArray } from '../host_array.js'

/** All different, by steps that bf16 holds where there are up to 256 and that no finite difference passes. */
function shuffled(shape: number[], seed = 1): HostArray {
  const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i)
  const next = generator(seed)
  for (let i = data.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    ;[data[i], data[j]] = [data[j]!, data[i]!]
  }
  return { shape, data: data.map((value) => (value - data.length / 2) / 16) }
}

function reference(x: HostArray, window: number): HostArray {
  const [N, H, W, C] = x.shape as [number, number, number, number]
  const [h, w] = [Math.floor(H / window), Math.floor(W / window)]
  const data = new Float64Array(N * h * w * C).fill(-Infinity)
  x.data.forEach((value, place) => {
    const c = place % C
    const column = Math.floor((Math.floor(place / C) % W) / window)
    const row = Math.floor((Math.floor(place / C / W) % H) / window)
    const n = Math.floor(place / C / W / H)
    if (row >= h || column >= w) return
    const at = ((n * h + row) * w + column) * C + c
    data[at] = Math.max(data[at]!, value)
  })
  return { shape: [N, h, w, C], data }
}

/** The result, and the gradient where that of the result is 1, 2, 3 ... */
async function pooled(values: number[], shape: number[], window: number, dtype: 'f32' | 'bf16') {
  const x = fromArray(Float32Array.from(values), shape, dtype)
  trackGradient(x)
  const y = scope(() => {
    const y = maxPool(x, window)
    const dy = fromArray(
      Float32Array.from({ length: y.elements }, (_, i) => i + 1),
      y.shape,
      dtype,
    )
    backward(sum(mul(y, dy)))
    return y
  })
  return { y: [...(await y.readFloats())], dx: [...(await x.gradientTarget!.gradient.readFloats())] }
}

describe('maxPool', () => {
  it.each([
    [[1, 2, 2, 1], 2],
    [[1, 3, 5, 7], 2],
    [[2, 4, 2, 16], 2],
    [[1, 7, 8, 4], 3],
    [[2, 3, 2, 5], 1],
  ])('agrees with the reference on %j, windows of %i', async (shape, window) => {
    await checkOp({
      inputs: { x: shuffled(shape) },
      run: ({ x }) => maxPool(x, window),
      reference: ({ x }) => reference(x, window),
      tolerance: 'elementwise',
    })
  })

  it.each([
    [[2, 6, 10, 31], 2],
    [[1, 5, 9, 33], 2],
    [[1, 2, 2, 4099], 2],
  ])('agrees with the reference on %j, windows of %i, in f32', async (shape, window) => {
    await checkOp({
      inputs: { x: shuffled(shape) },
      run: ({ x }) => maxPool(x, window),
      reference: ({ x }) => reference(x, window),
      tolerance: 'elementwise',
      dtypes: ['f32'],
    })
  })

  describe.each(['f32', 'bf16'] as const)('in %s', (dtype) => {
    it('gives the gradient to the first of equal values, and none to what is left out', async () => {
      // Two windows and a column of 3 rows.
      const { y, dx } = await pooled([0, 5, 7, 7, 9, 5, 5, 1, 7, 9, 9, 9, 9, 9, 9], [1, 3, 5, 1], 2, dtype)
      expect(y).toEqual([5, 7])
      expect(dx).toEqual([0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      expect((await pooled([0, 0, 0, 0], [1, 2, 2, 1], 2, dtype)).dx).toEqual([1, 0, 0, 0])
    })

    it('has NaN as the largest value, of several the last, as PyTorch has', async () => {
      const of = (...values: number[]) => pooled(values, [1, 2, 2, 1], 2, dtype)
      expect(await of(1, NaN, 3, Infinity)).toEqual({ y: [NaN], dx: [0, 1, 0, 0] })
      expect(await of(NaN, 1, NaN, 3)).toEqual({ y: [NaN], dx: [0, 0, 1, 0] })
      const least = -Infinity
      expect(await of(least, least, least, least)).toEqual({ y: [least], dx: [1, 0, 0, 0] })
    })
  })

  it('works on no images', async () => {
    const y = maxPool(zeros([0, 2, 4, 3]))
    expect(y.shape).toEqual([0, 1, 2, 3])
    expect((await y.readFloats()).length).toBe(0)
  })

  it('names the argument and what was received', () => {
    expect(() => maxPool(zeros([2, 3, 4]))).toThrow('max_pool: x must have 4 axes')
    expect(() => maxPool(zeros([1, 2, 1, 4]))).toThrow(
      'max_pool: x must have at least 2 rows and columns, received a tensor of f32 [1, 2, 1, 4]',
    )
    expect(() => maxPool(zeros([1, 2, 2, 4]), 0)).toThrow(
      'max_pool: window must be an integer in 1..4096, received 0',
    )
  })
})
