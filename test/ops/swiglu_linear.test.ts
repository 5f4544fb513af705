import { describe, expect, it } from 'vitest'
import { linear } from '../../lib/ops/linear.js'
import { swiglu } from '../../lib/ops/swiglu.js'
import { swigluLinear } from '../../lib/ops/swiglu_linear.js'
import { zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray, toTensor } from '../host_array.js'
import { matmul } from '../reference/matmul.js'
import { swiglu as reference } from '../reference/swiglu.js'

describe('swigluLinear', () => {
  it.each([
    [[1, 2], 1],
    [[33, 62], 7],
    [[2, 5, 66], 31],
    [[3, 4100], 2],
  ])('agrees with the reference for x %j and %i outputs', async (shape, O) => {
    const F = shape.at(-1)! / 2
    await checkOp({
      inputs: { x: randomArray(shape), weight: randomArray([O, F], 2) },
      run: ({ x, weight }) => swigluLinear(x, weight),
      reference: ({ x, weight }) => {
        const { data } = matmul({ shape: [x.data.length / F / 2, F], data: reference(x).data }, weight, {
          transposeB: true,
        })
        return { shape: [...shape.slice(0, -1), O], data }
      },
      dtypes: ['f32'],
    })
  })

  it.each(['f32', 'bf16'] as const)('is swiglu and linear to the bit, in %s', async (dtype) => {
    const [x, weight] = [toTensor(randomArray([9, 34]), dtype), toTensor(randomArray([5, 17], 2), dtype)]
    expect(await swigluLinear(x, weight).readFloats()).toEqual(await linear(swiglu(x), weight).readFloats())
  })

  it('works on no rows, and names the argument that is wrong', async () => {
    expect((await swigluLinear(zeros([0, 4]), zeros([3, 2])).readFloats()).length).toBe(0)
    expect(() => swigluLinear(zeros([2, 3]), zeros([4, 1]))).toThrow(
      'swiglu_linear: x must have an even last axis',
    )
    expect(() => swigluLinear(zeros([2, 4]), zeros([4, 3]))).toThrow(
      'swiglu_linear: weight must have shape [*, 2]',
    )
  })
})
