import { describe, expect, it } from 'vitest'
import { swiglu } from '../../lib/ops/swiglu.js'
import { zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray } from '../host_array.js'
import { swiglu as reference } from '../reference/swiglu.js'

describe('swiglu', () => {
  it.each([[[2]], [[3, 62]], [[2, 5, 66]], [[2, 8198]], [[0, 4]]])(
    'agrees with the reference on %j',
    async (shape) => {
      await checkOp({
        inputs: { x: randomArray(shape) },
        run: ({ x }) => swiglu(x),
        reference: ({ x }) => reference(x),
      })
    },
  )

  it('names the argument and what was received', () => {
    expect(() => swiglu(zeros([2, 3]))).toThrow(
      'swiglu: x must have an even last axis: gate, then up, received',
    )
    expect(() => swiglu(zeros([]))).toThrow('swiglu: x must have 1 to 6 axes')
  })
})
