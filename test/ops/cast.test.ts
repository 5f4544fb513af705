import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cast } from '../../lib/ops/cast.js'
import type { BlockDType } from '../../lib/tensor/dtype.js'
import { empty, fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray, roundToBf16 } from '../host_array.js'

describe('cast', () => {
  it.each([
    ['f32', 'f32'],
    ['f32', 'bf16'],
    ['bf16', 'f32'],
    ['bf16', 'bf16'],
  ] as const)('takes %s to %s and its gradient back', async (from, to) => {
    for (const shape of [[], [31], [3, 33], [4099], [0]])
      await checkOp({
        inputs: { x: randomArray(shape) },
        run: ({ x }) => cast(x, to),
        reference: ({ x }) => x,
        dtypes: [from],
        outputDType: to,
        tolerance: 'elementwise',
      })
  })

  it('rounds to nearest even, and keeps infinities and NaN', async () => {
    const one = 1 + 2 ** -8
    const three = 1 + 3 * 2 ** -8
    const values = Float32Array.of(one, three, -one, 1e-45, 3.4e38, Infinity, -Infinity, NaN, -0)
    const rounded = await cast(fromArray(values), 'bf16').read()
    expect(rounded).toEqual(values.map(roundToBf16))
    expect([rounded[0], rounded[1]]).toEqual([1, 1 + 2 ** -6])
  })

  it('takes integers to floats', async () => {
    const ints = Int32Array.of(-1, 0, 3, 257, 2 ** 24 + 1, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
    expect(await cast(fromArray(ints), 'f32').read()).toEqual(Float32Array.from(ints))
    expect(await cast(fromArray(ints), 'bf16').read()).toEqual(Float32Array.from(ints, roundToBf16))
  })

  it('names the argument and what was received', () => {
    expect(() => cast(zeros([2]), 'i32' as 'f32')).toThrow('cast: dtype must be f32 or bf16, received i32')
  })
})

interface Fixture {
  shape: number[]
  values: string
  types: Record<'q8_0' | 'q4_0' | 'q4_1' | 'q4_k' | 'q6_k', { bytes: string; dequantized: string }>
}

describe('cast of quantised weights', () => {
  const { shape, values, types } = JSON.parse(
    readFileSync(new URL('../fixtures/quantized/blocks.json', import.meta.url), 'utf8'),
  ) as Fixture
  const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
  const floatsOf = (text: string) => new Float32Array(bytesOf(text).buffer)

  it.each(Object.keys(types) as (keyof typeof types)[])('widens %s as gguf-py does', async (dtype) => {
    const stored = fromArray(bytesOf(types[dtype].bytes), shape, dtype)
    const expected = floatsOf(types[dtype].dequantized)
    expect(await cast(stored, 'f32').readFloats()).toEqual(expected)
    expect(await stored.readFloats()).toEqual(expected)
    expect(await cast(stored, 'bf16').readFloats()).toEqual(expected.map(roundToBf16))
    expect(await cast(stored.view([2, 256], 256), 'f32').readFloats()).toEqual(expected.slice(256))
  })

  it.each(['q8_0', 'q4_0', 'q4_1'] as const)('quantises to the bytes of gguf-py: %s', async (dtype) => {
    const wide = fromArray(floatsOf(values), shape)
    expect(await cast(wide, dtype).readBytes()).toEqual(bytesOf(types[dtype].bytes))
    const short = cast(wide, 'bf16')
    expect(await cast(short, dtype).readBytes()).toEqual(await cast(cast(short, 'f32'), dtype).readBytes())
  })

  it('quantises to int8 with a scale for each row', async () => {
    for (const K of [1, 5, 50, 4096]) {
      const x = randomArray([3, K])
      const stored = cast(fromArray(Float32Array.from(x.data), [3, K]), 'int8')
      const bytes = await stored.readBytes()
      const padded = Math.ceil(K / 4) * 4
      expect(bytes.length).toBe(3 * (padded + 4))
      const widened = await stored.readFloats()
      for (let row = 0; row < 3; row++) {
        const scale = new DataView(bytes.buffer).getFloat32(row * (padded + 4) + padded, true)
        const own = Float32Array.from(x.data.slice(row * K, row * K + K))
        expect(scale).toBe(Math.fround(own.reduce((most, v) => Math.max(most, Math.abs(v)), 0) / 127))
        own.forEach((value, k) => {
          expect(Math.abs(widened[row * K + k]! - value)).toBeLessThanOrEqual(scale * 0.50001)
          expect(widened[row * K + k]).toBe(
            Math.fround(scale * new Int8Array(bytes.buffer)[row * (padded + 4) + k]!),
          )
        })
      }
    }
  })

  it.each(['int8', 'q8_0', 'q4_0', 'q4_1'] as const)(
    'keeps zeros, and what is not finite as NaN: %s',
    async (dtype) => {
      const none = await cast(zeros([2, 64]), dtype).readFloats()
      expect(none.every((value) => value === 0)).toBe(true)
      const data = new Float32Array(128).fill(1)
      data[70] = Infinity
      const widened = await cast(fromArray(data, [2, 64]), dtype).readFloats()
      expect(widened.slice(0, 64).every((value) => Math.abs(value - 1) < 1e-3)).toBe(true)
      expect(widened.slice(64, 96).every(Number.isNaN)).toBe(true)
    },
  )

  it('names the argument and what was received', () => {
    expect(() => cast(zeros([2, 33]), 'q4_0')).toThrow(
      'cast: x must have a last axis of whole blocks of 32, to be q4_0, received a tensor of f32 [2, 33]',
    )
    expect(() => cast(zeros([2, 256]), 'q4_k' as 'q4_0')).toThrow('cast: dtype must be f32 or bf16')
    expect(() => cast(empty([2, 64], 'q8_0'), 'q4_0')).toThrow('cast: x must be f32 or bf16')
    expect(() => cast(empty([2, 64], 'i32' as BlockDType), 'q4_0')).toThrow('cast: x must be f32 or bf16')
  })
})
