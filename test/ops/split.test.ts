import { describe, expect, it } from 'vitest'
import { add } from '../../lib/ops/add.js'
import { split } from '../../lib/ops/split.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'
import { combine } from '../reference/broadcast.js'
import { sliceReference } from '../reference/axis.js'

describe('split', () => {
  it.each([
    [[1], [1], 0],
    [[9, 31], [3, 2, 4], 0],
    [[33, 35], [31, 1, 3], 1],
    [[2, 8, 5], [1, 0, 7], -2],
    [[3, 5000], [4099, 901], 1],
  ])('agrees with the reference on %j in %j along axis %i', async (shape, sizes, axis) => {
    let start = 0
    for (const [i, size] of sizes.entries()) {
      const from = start
      await checkOp({
        inputs: { x: randomArray(shape) },
        run: ({ x }) => split(x, sizes, axis)[i]!,
        reference: (inputs) => sliceReference(inputs.x, from, size, axis < 0 ? axis + shape.length : axis),
        tolerance: 'elementwise',
      })
      start += size
    }
  })

  it('joins the gradients of all its parts', async () => {
    await checkOp({
      inputs: { x: randomArray([5, 4]) },
      run: ({ x }) => {
        const [left, middle, right] = split(x, [1, 2, 1], 1)
        return add(middle!, add(left!, right!))
      },
      reference: ({ x }) => {
        const sum = (a: number, b: number) => a + b
        const ends = combine(sliceReference(x, 0, 1, 1), sliceReference(x, 3, 1, 1), [5, 1], sum)
        return combine(sliceReference(x, 1, 2, 1), ends, [5, 2], sum)
      },
      dtypes: ['f32'],
    })
  })

  it('takes integers', async () => {
    const [first, second] = split(fromArray(Int32Array.of(1, -2, 3)), [1, 2], 0)
    expect(await first!.readInts()).toEqual(Int32Array.of(1))
    expect(await second!.readInts()).toEqual(Int32Array.of(-2, 3))
  })

  it('names the argument and what was received', () => {
    expect(() => split(zeros([2, 3]), [1, 1], 1)).toThrow(
      'split: sizes must sum to 3, axis 1 of x, received [1, 1]',
    )
    expect(() => split(zeros([2]), [3, -1], 0)).toThrow('split: sizes[1] must be an integer of at least 0')
    expect(() => split(zeros([2]), [2], 1)).toThrow('split: axis must be an axis of 1, received 1')
  })
})
