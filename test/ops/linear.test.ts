import { describe, expect, it } from 'vitest'
import { linear } from '../../lib/ops/linear.js'
import { zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'
import { matmul } from '../reference/matmul.js'

function reference(x: HostArray, weight: HostArray, bias?: HostArray): HostArray {
  const rows = { shape: [x.data.length / x.shape.at(-1)!, x.shape.at(-1)!], data: x.data }
  const { data } = matmul(rows, weight, { transposeB: true, bias })
  return { shape: [...x.shape.slice(0, -1), weight.shape[0]!], data }
}

describe('linear', () => {
  it.each([
    [[1], 1],
    [[33], 31],
    [[130, 31], 33],
    [[2, 3, 5], 7],
    [[2500, 3], 2],
    [[2, 4099], 3],
    [[9, 511], 50],
    [[13, 96], 16],
    [[16, 1100], 37],
  ])('agrees with the reference for x %j and %i outputs', async (shape, O) => {
    const I = shape.at(-1)!
    const inputs = { x: randomArray(shape), weight: randomArray([O, I], 2) }
    await checkOp({
      inputs,
      run: ({ x, weight }) => linear(x, weight),
      reference: ({ x, weight }) => reference(x, weight),
    })
    await checkOp({
      inputs: { ...inputs, bias: randomArray([O], 3) },
      run: ({ x, weight, bias }) => linear(x, weight, bias),
      reference: ({ x, weight, bias }) => reference(x, weight, bias),
    })
  })

  it.each([[[33, 31]], [[3, 130, 31]]])('gives f32 of bf16 for x %j', async (shape) => {
    await checkOp({
      inputs: {
        x: randomArray(shape),
        weight: randomArray([37, shape.at(-1)!], 2),
        bias: randomArray([37], 3),
      },
      run: ({ x, weight, bias }) => linear(x, weight, bias, { dtype: 'f32' }),
      reference: ({ x, weight, bias }) => reference(x, weight, bias),
      outputDType: 'f32',
    })
  })

  it('works on no rows', async () => {
    expect((await linear(zeros([0, 4]), zeros([3, 4]), zeros([3])).readFloats()).length).toBe(0)
  })

  it('names the argument and what was received', () => {
    const x = zeros([2, 3])
    expect(() => linear(x, zeros([4, 2]))).toThrow(
      'linear: weight must have shape [*, 3], received a tensor of f32 [4, 2]',
    )
    expect(() => linear(x, zeros([4, 3], 'bf16'))).toThrow('linear: weight must be f32')
    expect(() => linear(x, zeros([4, 3]), zeros([3]))).toThrow('linear: bias must have shape [4]')
    expect(() => linear(x, zeros([4, 3]), zeros([4], 'bf16'))).toThrow('linear: bias must be f32')
    x.free()
    expect(() => linear(x, zeros([4, 3]))).toThrow('linear: x must be a live tensor')
  })
})
