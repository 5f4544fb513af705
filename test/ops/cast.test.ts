import { describe, expect, it } from 'vitest'
import { cast } from '../../lib/ops/cast.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
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
