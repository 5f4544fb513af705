import { describe, expect, it } from 'vitest'
import { scale } from '../../lib/ops/scale.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'

describe('scale', () => {
  it.each([[[]], [[1]], [[31]], [[3, 33]], [[2, 4099]], [[0, 4]]])(
    'agrees with the reference on %j',
    async (shape) => {
      await checkOp({
        inputs: { x: randomArray(shape) },
        run: ({ x }) => scale(x, -1.25),
        reference: ({ x }) => ({ shape, data: x.data.map((value) => value * -1.25) }),
        tolerance: 'elementwise',
      })
    },
  )

  it('names the argument and what was received', () => {
    expect(() => scale(zeros([2]), NaN)).toThrow('scale: factor must be a finite number, received NaN')
    expect(() => scale(fromArray(new Int32Array(2)), 2)).toThrow('scale: x must be f32 or bf16')
  })
})
