import { createHash } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { cast, type CastDType } from '../../lib/ops/cast.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scope } from '../../lib/tensor/scope.js'
import { linear } from '../../lib/ops/linear.js'
import { linearCrossEntropy } from '../../lib/ops/linear_cross_entropy.js'
import { swigluLinear } from '../../lib/ops/swiglu_linear.js'
import { currentDevice, setThreads } from '../../lib/tensor/device.js'
import { type BlockDType, blockDTypes, blockValues } from '../../lib/tensor/dtype.js'
import { empty, fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { type HostArray, randomArray, roundTo, toTensor } from '../host_array.js'
import { randomBlocks } from '../reference/blocks.js'

afterEach(() => setThreads(2))

/** Weights [N, K], as they are stored and as float64. */
async function weights(dtype: BlockDType, N: number, K: number, seed = 2) {
  const weight =
    dtype === 'q4_k' || dtype === 'q6_k'
      ? fromArray(randomBlocks(dtype, N, K, seed), [N, K], dtype)
      : cast(toTensor(randomArray([N, K], seed)), dtype as CastDType)
  return { weight, values: Float64Array.from(await weight.readFloats()) }
}

/** Rounded to the nearest integer, to the even one of two. */
function roundEven(value: number): number {
  const below = Math.floor(value)
  return value - below === 0.5 ? below + Math.abs(below % 2) : Math.round(value)
}

/** Rows rounded to int8 in groups of 32 with an f32 scale each, as the product takes them. */
function rounded({ shape, data }: HostArray): Float64Array {
  const K = shape.at(-1)!
  const result = new Float64Array(data.length)
  for (let row = 0; row < data.length; row += K)
    for (let begin = row; begin < row + K; begin += 32) {
      const group = data.subarray(begin, Math.min(begin + 32, row + K))
      const largest = group.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
      const scale = Math.fround(largest / 127)
      const factor = Math.fround(1 / scale)
      group.forEach((x, i) => (result[begin + i] = scale && roundEven(Math.fround(x * factor)) * scale))
    }
  return result
}

function reference(x: HostArray, w: Float64Array, bias: HostArray | undefined, N: number): Float64Array {
  const [M, K] = x.shape as [number, number]
  const values = rounded(x)
  return Float64Array.from({ length: M * N }, (_, i) => {
    const [m, n] = [Math.floor(i / N), i % N]
    let sum = bias?.data[n] ?? 0
    for (let k = 0; k < K; k++) sum += values[m * K + k]! * w[n * K + k]!
    return sum
  })
}

const depths = (dtype: BlockDType): number[] => {
  const block = blockValues(dtype)
  return dtype === 'int8' ? [1, 31, 50, 96, 1100] : [block, 3 * block, block === 256 ? 2048 : 1536]
}

describe.each(blockDTypes)('a product with weights of %s', (dtype) => {
  it.each([
    [1, 9],
    [3, 31],
    [16, 33],
    [17, 50],
    [130, 16],
  ])('agrees with the reference for %i rows and %i outputs', async (M, N) => {
    for (const K of depths(dtype)) {
      const { weight, values } = await weights(dtype, N, K)
      for (const of of ['f32', 'bf16'] as const) {
        const x = roundTo(randomArray([M, K]), of)
        const bias = roundTo(randomArray([N], 3), of)
        const expected = reference(x, values, bias, N)
        const y = linear(toTensor(x, of), weight, toTensor(bias, of))
        expect(y.dtype).toBe(of)
        compare(`${of} [${M}, ${K}] [${N}, ${K}]`, await y.readFloats(), expected, of)
        const wide = linear(toTensor(x, of), weight, undefined, { dtype: 'f32' })
        compare(`${of} as f32`, await wide.readFloats(), reference(x, values, undefined, N), 'f32')
      }
    }
  })

  it('gives a row the same bits whatever the threads and the rows beside it', async () => {
    const [M, N, K] = [37, 70, blockValues(dtype) * (dtype === 'int8' ? 300 : 3)]
    const { weight } = await weights(dtype, N, K)
    const x = toTensor(randomArray([M, K]))
    setThreads(1)
    const all = await linear(x, weight).readFloats()
    setThreads(2)
    expect(await linear(x, weight).readFloats()).toEqual(all)
    for (const rows of [1, 2, 7, 16, 17])
      expect(await linear(x.view([rows, K]), weight).readFloats()).toEqual(all.slice(0, rows * N))
    expect(await linear(x.view([1, K], 36 * K), weight).readFloats()).toEqual(all.slice(36 * N))
    // A view of rows of the weight.
    const some = await linear(x, weight.view([9, K], 5 * K)).readFloats()
    for (let m = 0; m < M; m++) expect(some.slice(m * 9, m * 9 + 9)).toEqual(all.slice(m * N + 5, m * N + 14))
  })

  it('makes NaN of what is not finite, in its row alone', async () => {
    const K = 256
    const { weight } = await weights(dtype, 19, K)
    const data = Float32Array.from(randomArray([4, K]).data)
    const clean = await linear(fromArray(data, [4, K]), weight).readFloats()
    data[K + 40] = NaN
    data[3 * K] = -Infinity
    const y = await linear(fromArray(data, [4, K]), weight).readFloats()
    expect(y.slice(0, 19)).toEqual(clean.slice(0, 19))
    expect(y.slice(38, 57)).toEqual(clean.slice(38, 57))
    expect([...y.slice(19, 38), ...y.slice(57)].every(Number.isNaN)).toBe(true)
  })

  it('is 0 for values too small for a scale', async () => {
    const { weight } = await weights(dtype, 3, 256)
    expect(await linear(fromArray(new Float32Array(256).fill(1e-40), [1, 256]), weight).readFloats()).toEqual(
      new Float32Array(3),
    )
  })
})

describe('quantised weights in ops', () => {
  // On CUDA groups are added up in another order.
  it.skipIf(currentDevice() !== 'cpu')('give the same bits on every CPU', async () => {
    const hash = createHash('sha256')
    for (const dtype of blockDTypes)
      for (const M of [1, 3, 17]) {
        const { weight } = await weights(dtype, 50, 768)
        hash.update(
          new Uint8Array((await linear(toTensor(randomArray([M, 768])), weight).readFloats()).buffer),
        )
      }
    expect(hash.digest('hex').slice(0, 16)).toBe('81b2152b89637898')
  })

  it('serve swigluLinear and linearCrossEntropy', async () => {
    const { weight, values } = await weights('q8_0', 40, 64)
    const same = fromArray(Float32Array.from(values), [40, 64])
    const gateUp = toTensor(randomArray([5, 128]))
    const near = (a: Float32Array, b: Float32Array, most: number) =>
      a.forEach((value, i) => expect(Math.abs(value - b[i]!)).toBeLessThan(most))
    near(await swigluLinear(gateUp, weight).readFloats(), await swigluLinear(gateUp, same).readFloats(), 0.3)
    const x = toTensor(randomArray([5, 64]))
    const labels = fromArray(Int32Array.of(0, 39, 3, -1, 20))
    near(
      await linearCrossEntropy(x, weight, labels).losses.readFloats(),
      await linearCrossEntropy(x, same, labels).losses.readFloats(),
      0.3,
    )
  })

  it('work on no rows and no outputs', async () => {
    expect((await linear(zeros([0, 64]), empty([3, 64], 'q4_0')).readFloats()).length).toBe(0)
    expect((await linear(zeros([2, 64]), empty([0, 64], 'q4_0')).readFloats()).length).toBe(0)
    expect(await linear(zeros([2, 0]), empty([3, 0], 'int8'), zeros([3])).readFloats()).toEqual(
      new Float32Array(6),
    )
  })

  it.each(['f32', 'bf16'] as const)('have the gradient of x of the widened weights: %s', async (dtype) => {
    const { weight } = await weights('q4_1', 5, 64)
    const dy = toTensor(randomArray([3, 5], 7), dtype)
    const gradientOf = async (given: Tensor) => {
      const x = toTensor(randomArray([3, 64], 6), dtype)
      const gradient = trackGradient(x)
      scope(() => backward(sum(mul(linear(x, given), dy))))
      return gradient.readFloats()
    }
    expect(await gradientOf(weight)).toEqual(await gradientOf(cast(weight, dtype)))
  })

  it('refuse what they cannot do by name', () => {
    const weight = empty([3, 64], 'q4_0')
    expect(() => linear(zeros([2, 32]), weight)).toThrow('linear: weight must have shape [*, 32]')
    expect(() => swigluLinear(zeros([2, 128]), weight) as Tensor).not.toThrow()
  })
})
