import { describe, expect, it } from 'vitest'
import { cast } from '../../lib/ops/cast.js'
import { transpose } from '../../lib/ops/transpose.js'
import { fromArray, full, zeros } from '../../lib/tensor/tensor.js'
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

  it('moves nothing, whichever size is 0', async () => {
    for (const empty of [0, 1, 2, 3])
      for (const [axis0, axis1] of [
        [0, 1],
        [0, 2],
        [0, 3],
        [1, 2],
        [1, 3],
        [2, 3],
        [2, 2],
      ] as const) {
        const shape = [40, 41, 42, 43].with(empty, 0)
        const beside = Array.from({ length: 8 }, () => full([16], 7))
        const y = transpose(zeros(shape), axis0, axis1)
        expect(y.shape).toEqual(shape.with(axis0, shape[axis1]!).with(axis1, shape[axis0]!))
        expect(await y.read()).toEqual(new Float32Array(0))
        for (const tensor of beside) expect(await tensor.read()).toEqual(new Float32Array(16).fill(7))
      }
  })

  it('takes integers', async () => {
    const y = transpose(fromArray(Int32Array.of(1, 2, 3, 4, 5, -6), [2, 3]), 0, 1)
    expect(await y.readInts()).toEqual(Int32Array.of(1, 4, 2, 5, 3, -6))
  })

  // Results of 32 MiB and more are stored past the caches, in whole lines where rows are made of such.
  it.each([
    [4096, 2052, 'i32'],
    [4100, 2048, 'i32'],
    [4096, 4104, 'bf16'],
    [4104, 4100, 'bf16'],
  ] as const)('moves every element of [%i, %i], %s', async (rows, columns, dtype) => {
    // bf16 holds whole numbers up to 256.
    const numbers = Int32Array.from({ length: rows * columns }, (_, i) => (i * 31) % 257)
    const ints = fromArray(numbers, [rows, columns])
    const y = transpose(dtype === 'bf16' ? cast(ints, dtype) : ints, 0, 1)
    const values = await y.read()
    const wrong = values.findIndex(
      (value, i) => value !== numbers[(i % rows) * columns + Math.floor(i / rows)],
    )
    expect(wrong).toBe(-1)
  })

  it('names the argument and what was received', () => {
    expect(() => transpose(zeros([2, 3]), 0, 2)).toThrow('transpose: axis1 must be an axis of 2, received 2')
  })
})
