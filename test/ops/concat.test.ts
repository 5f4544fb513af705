import { describe, expect, it } from 'vitest'
import { concat } from '../../lib/ops/concat.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'
import { concatReference } from '../reference/axis.js'

describe('concat', () => {
  it.each([
    [[1], [1], [1], 0],
    [[3, 31], [2, 31], [0, 31], 0],
    [[33, 3], [33, 1], [33, 31], 1],
    [[2, 3, 5], [2, 1, 5], [2, 4, 5], -2],
    [[3, 4099], [3, 4099], [3, 8200], 1],
  ])('agrees with the reference on %j, %j, %j along axis %i', async (a, b, c, axis) => {
    await checkOp({
      inputs: { a: randomArray(a), b: randomArray(b, 2), c: randomArray(c, 3) },
      run: ({ a, b, c }) => concat([a, b, c], axis),
      reference: ({ a, b, c }) => concatReference([a, b, c], axis < 0 ? axis + a.shape.length : axis),
      tolerance: 'elementwise',
    })
  })

  it('takes integers', async () => {
    const y = concat([fromArray(Int32Array.of(1, -2)), fromArray(Int32Array.of(2 ** 31 - 1))], 0)
    expect(await y.readInts()).toEqual(Int32Array.of(1, -2, 2 ** 31 - 1))
  })

  it('names the argument and what was received', () => {
    expect(() => concat([], 0)).toThrow('concat: xs must hold at least one tensor, received none')
    expect(() => concat([zeros([2, 3]), zeros([2, 4])], 0)).toThrow('concat: xs[1] must have shape [*, 3]')
    expect(() => concat([zeros([2]), zeros([2], 'bf16')], 0)).toThrow('concat: xs[1] must be f32')
    expect(() => concat([zeros([2])], 1)).toThrow('concat: axis must be an axis of 1, received 1')
    const freed = zeros([2])
    freed.free()
    expect(() => concat([zeros([2]), freed], 0)).toThrow('concat: xs[1] must be a live tensor')
  })
})
