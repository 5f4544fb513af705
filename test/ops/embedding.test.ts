import { describe, expect, it } from 'vitest'
import { cast } from '../../lib/ops/cast.js'
import { embedding } from '../../lib/ops/embedding.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray, roundToBf16, toTensor } from '../host_array.js'
import { gatherReference, rowCases } from '../reference/rows.js'

describe('embedding', () => {
  it.each(rowCases.filter(([, shape]) => shape.length === 1))(
    'agrees with the reference on %i rows of %j, ids %j',
    async (V, [C], numbers) => {
      const ids = Int32Array.from(numbers)
      await checkOp({
        inputs: { weight: randomArray([V, C!]) },
        run: ({ weight }) => embedding(weight, fromArray(ids)),
        reference: ({ weight }) => gatherReference(weight, ids),
      })
    },
  )

  it.each(['int8', 'q8_0', 'q4_0', 'q4_1'] as const)('widens the rows of a weight of %s', async (dtype) => {
    const weight = cast(toTensor(randomArray([7, 64])), dtype)
    const all = await weight.readFloats()
    const ids = fromArray(Int32Array.of(6, -1, 0, 6))
    const expected = [6, -1, 0, 6].flatMap((id) =>
      id < 0 ? Array<number>(64).fill(0) : Array.from(all.subarray(id * 64, id * 64 + 64)),
    )
    expect(await embedding(weight, ids).readFloats()).toEqual(Float32Array.from(expected))
    const short = embedding(weight, ids, { dtype: 'bf16' })
    expect(short.dtype).toBe('bf16')
    expect(await short.readFloats()).toEqual(Float32Array.from(expected, roundToBf16))
    await expect(embedding(weight, fromArray(Int32Array.of(7))).read()).rejects.toThrow(
      'embedding: ids[0] must be -1 or in 0..6, received 7',
    )
  })

  it('names the argument and what was received', async () => {
    const ids = fromArray(Int32Array.of(0, 7, -5))
    expect(() => embedding(zeros([3]), ids)).toThrow('embedding: weight must have 2 axes')
    expect(() => embedding(zeros([3, 2]), zeros([2]))).toThrow('embedding: ids must be i32')
    await expect(embedding(zeros([3, 2]), ids).read()).rejects.toThrow(
      'embedding: ids[1] must be -1 or in 0..2, received 7',
    )
  })
})
