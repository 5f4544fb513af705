import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { straightThrough } from '../../lib/ops/straight_through.js'
import { zeros } from '../../lib/tensor/tensor.js'
import { randomArray, toTensor } from '../host_array.js'

describe.each(['f32', 'bf16'] as const)('straightThrough, %s', (dtype) => {
  it('has the values of the one, and gives its gradient to the other alone', async () => {
    const [x, quantized, weights] = [1, 2, 3].map((seed) => toTensor(randomArray([5, 7], seed), dtype))
    const [dx, dquantized] = [trackGradient(x!), trackGradient(quantized!)]
    const y = straightThrough(x!, quantized!)
    backward(sum(mul(y, weights!)))
    expect(await y.readFloats()).toEqual(await quantized!.readFloats())
    expect(await dx.readFloats()).toEqual(await weights!.readFloats())
    expect(await dquantized.readFloats()).toEqual(new Float32Array(35))
  })
})

it('straightThrough names the argument and the value received', () => {
  expect(() => straightThrough(zeros([2, 3]), zeros([3, 2]))).toThrow(
    'straight_through: quantized must have shape [2, 3], received a tensor of f32 [3, 2]',
  )
  expect(() => straightThrough(zeros([2], 'bf16'), zeros([2]))).toThrow(
    'straight_through: quantized must be bf16',
  )
})
