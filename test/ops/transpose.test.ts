import { describe, expect, it } from 'vitest'
import { transpose } from '../../lib/ops/transpose.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'
import { transposeReference } from '../reference/axis.js'

describe('transpose', () => {
  it.each([
    [[1], 0, 0],
    [[31, 33], 0, 1],
    [[31, 33], 1, 0],
    [[3, 67, 65], 1, 2],
    [[3, 5, 7], 0, 2],
    [[3, 5, 7], 0, 1],
    [[2, 3, 4, 3, 2, 2], 1, 4],
    [[2, 3, 4, 3, 2, 2], 2, 5],
    [[0, 3], 0, 1],
  ])('agrees with the reference on %j, axes %i and %i', async (shape, axis0, axis1) => {
    await checkOp({
      inputs: { x: randomArray(shape) },
      run: ({ x }) => transpose(x, axis0, axis1 - shape.length),
      reference: ({ x }) => transposeReference(x, axis0, axis1),
      tolerance: 'elementwise',
    })
  })

  it('takes integers', async () => {
    const y = transpose(fromArray(Int32Array.of(1, 2, 3, 4, 5, -6), [2, 3]), 0, 1)
    expect(await y.readInts()).toEqual(Int32Array.of(1, 4, 2, 5, 3, -6))
  })

  it('names the argument and what was received', () => {
    expect(() => transpose(zeros([2, 3]), 0, 2)).toThrow('transpose: axis1 must be an axis of 2, received 2')
  })
})
