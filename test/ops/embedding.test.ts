import { describe, expect, it } from 'vitest'
import { embedding } from '../../lib/ops/embedding.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'
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

  it('names the argument and what was received', async () => {
    const ids = fromArray(Int32Array.of(0, 7, -5))
    expect(() => embedding(zeros([3]), ids)).toThrow('embedding: weight must have 2 axes')
    expect(() => embedding(zeros([3, 2]), zeros([2]))).toThrow('embedding: ids must be i32')
    await expect(embedding(zeros([3, 2]), ids).read()).rejects.toThrow(
      'embedding: ids[1] must be -1 or in 0..2, received 7',
    )
  })
})
