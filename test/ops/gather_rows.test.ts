import { describe, expect, it } from 'vitest'
import { gatherRows } from '../../lib/ops/gather_rows.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'
import { gatherReference, rowCases } from '../reference/rows.js'

describe('gatherRows', () => {
  it.each(rowCases)('agrees with the reference on %i rows of %j, %j', async (R, shape, numbers) => {
    const rows = Int32Array.from(numbers)
    await checkOp({
      inputs: { x: randomArray([R, ...shape]) },
      run: ({ x }) => gatherRows(x, fromArray(rows)),
      reference: ({ x }) => gatherReference(x, rows),
    })
  })

  it('takes integers', async () => {
    const y = gatherRows(fromArray(Int32Array.of(1, -2, 3, 4), [2, 2]), fromArray(Int32Array.of(1, -1)))
    expect(await y.readInts()).toEqual(Int32Array.of(3, 4, 0, 0))
  })

  it('names the argument and what was received', async () => {
    const rows = fromArray(Int32Array.of(0, 3))
    expect(() => gatherRows(zeros([3]), zeros([2]))).toThrow('gather_rows: rows must be i32')
    expect(() => gatherRows(zeros([]), rows)).toThrow('gather_rows: x must have 1 to 6 axes')
    await expect(gatherRows(zeros([3, 2]), rows).read()).rejects.toThrow(
      'gather_rows: rows[1] must be -1 or in 0..2, received 3',
    )
    await expect(gatherRows(zeros([3, 2]), fromArray(Int32Array.of(-2))).read()).rejects.toThrow(
      'gather_rows: rows[0] must be -1 or in 0..2, received -2',
    )
  })
})
