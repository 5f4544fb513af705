import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { empty, fromArray } from '../../lib/tensor/tensor.js'
import { randomArray, roundToBf16, toTensor } from '../host_array.js'
import { compare } from '../check_op.js'

// Kernels that no op of lib/ops stands for: the tape, the optimizer and modules call them.
describe.each([1, 33, 40_001])('on %i elements', (count) => {
  const x = randomArray([count])
  const rounded = { ...x, data: x.data.map(roundToBf16) }

  it('fill writes a value of each dtype', async () => {
    for (const [dtype, value, expected] of [
      ['f32', 0.1, Math.fround(0.1)],
      ['bf16', 0.1, roundToBf16(0.1)],
      ['i32', -3, -3],
    ] as const) {
      const tensor = empty([count], dtype)
      native.fill(tensor.handle, value)
      expect(new Set(await tensor.read())).toEqual(new Set([expected]))
    }
  })

  it.each(['f32', 'bf16', 'i32'] as const)('zero writes zeros of %s', async (dtype) => {
    const tensor = empty([count], dtype)
    native.fill(tensor.handle, 1)
    native.zero(tensor.handle)
    expect(new Set(await tensor.read())).toEqual(new Set([0]))
  })

  it.each([
    ['f32', 'f32'],
    ['f32', 'bf16'],
    ['bf16', 'f32'],
    ['bf16', 'bf16'],
  ] as const)('accumulate adds to %s from %s', async (target, source) => {
    const sum = toTensor(rounded, target)
    native.accumulate(sum.handle, toTensor(rounded, source).handle)
    const doubled = rounded.data.map((value) => 2 * value)
    compare('sum', await sum.readFloats(), doubled, target, 'elementwise')
  })
})

describe('sum_rows', () => {
  it.each([
    [1, 1],
    [131, 33],
    [4099, 3],
    [0, 5],
  ])('adds the sum of %i rows of %i to what is there', async (T, C) => {
    for (const dtype of ['f32', 'bf16'] as const) {
      const x = toTensor(randomArray([T, C]), dtype)
      const values = await x.readFloats()
      const y = fromArray(new Float32Array(C).fill(2))
      native.sum_rows(y.handle, x.handle)
      const expected = new Float64Array(C).fill(2)
      values.forEach((value, i) => (expected[i % C]! += value))
      compare('sum', await y.readFloats(), expected, 'f32')
    }
  })
})
