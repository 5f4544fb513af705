import { describe, expect, it } from 'vitest'
import { add } from '../../lib/ops/add.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'
import { broadcastCases, combine } from '../reference/broadcast.js'

describe('add', () => {
  it.each(broadcastCases)('broadcasts %j and %j to %j', async (shapeA, shapeB, shape) => {
    await checkOp({
      inputs: { a: randomArray(shapeA), b: randomArray(shapeB, 2) },
      run: ({ a, b }) => add(a, b),
      reference: ({ a, b }) => combine(a, b, shape, (a, b) => a + b),
    })
  })

  it('names the argument and what was received', () => {
    expect(() => add(zeros([2, 3]), zeros([2]))).toThrow(
      'add: b must broadcast with a [2, 3], received a tensor of f32 [2]',
    )
    expect(() => add(zeros([2]), zeros([2], 'bf16'))).toThrow(
      'add: b must be f32, received a tensor of bf16 [2]',
    )
    expect(() => add(fromArray(new Int32Array(2)), zeros([2]))).toThrow('add: a must be f32 or bf16')
    const freed = zeros([2])
    freed.free()
    expect(() => add(zeros([2]), freed)).toThrow('add: b must be a live tensor')
  })
})
