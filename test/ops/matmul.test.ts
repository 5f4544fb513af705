import { afterEach, describe, expect, it } from 'vitest'
import { matmul } from '../../lib/ops/matmul.js'
import { native } from '../../lib/native.js'
import { currentDevice, deviceInfo, setThreads } from '../../lib/tensor/device.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, full, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray, toTensor } from '../host_array.js'
import { matmul as reference } from '../reference/matmul.js'

const flags = [
  { transposeA: false, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: false },
  { transposeA: true, transposeB: true },
]

/** Of few bits: bf16 holds them, and f32 sums of their products. */
const sixteenths = (shape: number[], seed?: number) => ({
  shape,
  data: randomArray(shape, seed).data.map((v) => Math.round(v * 16) / 16),
})

afterEach(() => setThreads(2))

describe('matmul', () => {
  describe.each(flags)('with %j', (options) => {
    it.each([
      [[], 1, 1, 1],
      [[], 31, 33, 1],
      [[], 1, 31, 130],
      [[], 33, 31, 64],
      [[], 3, 2, 4099],
      [[1], 5, 7, 9],
      [[3], 33, 17, 31],
      [[2], 3, 5, 2500],
    ])('agrees with the reference: %j of [%i, %i], %i deep', async (batch, M, N, K) => {
      await checkOp({
        inputs: {
          a: randomArray([...batch, ...(options.transposeA ? [K, M] : [M, K])]),
          b: randomArray([...batch, ...(options.transposeB ? [N, K] : [K, N])], 2),
        },
        run: ({ a, b }) => matmul(a, b, options),
        reference: ({ a, b }) => reference(a, b, options),
      })
    })
  })

  it('gives zeros when there is nothing to sum, and nothing when there are no rows', async () => {
    expect(await matmul(zeros([2, 0]), zeros([0, 3])).readFloats()).toEqual(new Float32Array(6))
    expect((await matmul(zeros([0, 4]), zeros([4, 3])).readFloats()).length).toBe(0)
  })

  it.each(['f32', 'bf16'] as const)('gives the same bits with 1 and with 2 threads in %s', async (dtype) => {
    for (const [M, N] of [
      [1, 128],
      [31, 64],
      [49, 128],
      [128, 49],
      [300, 33],
    ] as const)
      for (const K of [128, 1000, 2048, 5000])
        for (const { transposeA, transposeB } of flags) {
          const a = toTensor(randomArray(transposeA ? [K, M] : [M, K]), dtype)
          const b = toTensor(randomArray(transposeB ? [N, K] : [K, N], 2), dtype)
          const results = [1, 2].map((threads) => {
            setThreads(threads)
            const y = matmul(a, b, { transposeA, transposeB })
            const sum = full([M, N], 0.5)
            native.matmul_accumulate(sum.handle, a.handle, b.handle, transposeA, transposeB)
            const part = full([M, N], NaN)
            native.matmul_part(part.handle, a.handle, b.handle, transposeA, transposeB)
            return [y, sum, part] as const
          })
          for (const i of [0, 1, 2] as const) {
            const [one, two] = await Promise.all(results.map((result) => result[i].readFloats()))
            const same = one!.every((value, j) => Object.is(value, two![j]))
            expect(same, `${M} ${N} ${K} ${transposeA} ${transposeB} ${i}`).toBe(true)
          }
        }
  })

  // oneDNN's kernels for CPUs without AVX-512 sum a row in an order that depends on the rows beside it.
  it.runIf(currentDevice() === 'cpu' && deviceInfo('cpu').simd.startsWith('AVX3'))(
    'computes a row alike whatever rows are beside it',
    async () => {
      const rows = 300
      for (const dtype of ['f32', 'bf16'] as const)
        for (const [K, N] of [
          [128, 384],
          [500, 33],
          [768, 64],
          [1025, 48],
          [2048, 64],
        ] as const) {
          const x = randomArray([rows, K])
          const weight = toTensor(randomArray([N, K], 2), dtype)
          const all = await matmul(toTensor(x, dtype), weight, { transposeB: true }).readFloats()
          for (const M of [1, 2, 7, 13, 16, 17, 64]) {
            const part = { shape: [M, K], data: x.data.slice(-M * K) }
            const few = await matmul(toTensor(part, dtype), weight, { transposeB: true }).readFloats()
            expect(few).toEqual(all.slice(-M * N))
          }
        }
    },
  )

  it.each([
    [290, 530, 300],
    [530, 70, 1100],
    [150, 40, 4096],
  ])('is exact where sums are, in many blocks: [%i, %i], %i deep', async (M, N, K) => {
    for (const options of flags) {
      const a = sixteenths(options.transposeA ? [K, M] : [M, K])
      const b = sixteenths(options.transposeB ? [N, K] : [K, N], 2)
      const expected = Float32Array.from(reference(a, b, options).data)
      for (const dtype of ['f32', 'bf16'] as const) {
        const [left, right] = [toTensor(a, dtype), toTensor(b, dtype)]
        const y = full([M, N], NaN)
        for (const times of [1, 2]) {
          const operands = [
            y.handle,
            left.handle,
            right.handle,
            options.transposeA,
            options.transposeB,
          ] as const
          if (times === 1) native.matmul_part(...operands)
          else native.matmul_accumulate(...operands)
          const wrong = (await y.readFloats()).findIndex((value, i) => value !== times * expected[i]!)
          expect(wrong, `${dtype} ${JSON.stringify(options)}`).toBe(-1)
        }
      }
    }
  })

  it('takes bf16 inputs to an f32 output, and adds to what is there', async () => {
    const a = sixteenths([40, 70])
    const b = sixteenths([70, 30], 2)
    const expected = Float32Array.from(reference(a, b).data)
    const y = zeros([40, 30])
    native.matmul(y.handle, toTensor(a, 'bf16').handle, toTensor(b, 'bf16').handle, undefined, false, false)
    expect(await y.readFloats()).toEqual(expected)
    native.matmul_accumulate(y.handle, toTensor(a).handle, toTensor(b).handle, false, false)
    expect(await y.readFloats()).toEqual(expected.map((v) => 2 * v))
  })

  it('keeps its results right beyond the shapes it remembers', async () => {
    const sizes = Array.from({ length: 600 }, (_, i) => i + 1)
    for (const M of [...sizes, 1, 300]) {
      const total = scope(() => matmul(full([1, M], 1), full([M, 1], 2)))
      expect(await total.readFloats()).toEqual(Float32Array.of(2 * M))
      total.free()
    }
  })

  it('names the argument and what was received', () => {
    const a = zeros([2, 3])
    expect(() => matmul(a, zeros([4, 2]))).toThrow(
      `matmul: b must have 3 rows, to be multiplied by ${a}, received a tensor of f32 [4, 2]`,
    )
    expect(() => matmul(a, zeros([2, 4]), { transposeB: true })).toThrow('matmul: b must have 3 columns')
    expect(() => matmul(zeros([2, 2, 3]), zeros([3, 3, 2]))).toThrow(
      'matmul: b must hold as many matrices as a, 2',
    )
    expect(() => matmul(zeros([3]), a)).toThrow('matmul: a must have 2 to 3 axes')
    expect(() => matmul(a, zeros([1, 3, 2]))).toThrow('matmul: b must have 2 axes')
    expect(() => matmul(a, zeros([3, 2], 'bf16'))).toThrow('matmul: b must be f32, received a tensor of bf16')
    expect(() => matmul(fromArray(new Int32Array(6), [2, 3]), a)).toThrow('matmul: a must be f32 or bf16')
    a.free()
    expect(() => matmul(a, zeros([3, 2]))).toThrow('matmul: a must be a live tensor')
  })
})
