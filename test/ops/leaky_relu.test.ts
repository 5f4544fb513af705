import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { leakyRelu } from '../../lib/ops/leaky_relu.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'

/** None so near 0 that a finite difference would pass it. */
const awayFromZero = ({ shape, data }: HostArray): HostArray => ({
  shape,
  data: data.map((value) => value + Math.sign(value) / 64),
})

describe('leakyRelu', () => {
  it.each([[[1]], [[3, 31]], [[130, 33]], [[4099]], [[0, 4]]])(
    'agrees with the reference on %j',
    async (shape) => {
      for (const slope of [0, 0.2, 1])
        await checkOp({
          inputs: { x: awayFromZero(randomArray(shape, 1, 6)) },
          run: ({ x }) => leakyRelu(x, slope),
          reference: ({ x }) => ({ shape, data: x.data.map((value) => Math.max(value, slope * value)) }),
          tolerance: 'elementwise',
        })
    },
  )

  // f32 and bf16 hold all of these numbers.
  it.each(['f32', 'bf16'] as const)('has the slope as its derivative at 0 and below: %s', async (dtype) => {
    const values = Float32Array.of(-3, -0, 0, 2 ** -120, Infinity, -Infinity, NaN)
    for (const slope of [0, 0.25]) {
      const x = fromArray(values, [7], dtype)
      trackGradient(x)
      const y = scope(() => {
        const y = leakyRelu(x, slope)
        backward(sum(mul(y, fromArray(new Float32Array(7).fill(8), [7], dtype))))
        return y
      })
      const below = slope === 0 ? 0 : -Infinity
      expect(await y.readFloats()).toEqual(
        Float32Array.of(0 - 3 * slope, -0, 0, 2 ** -120, Infinity, below, NaN),
      )
      expect(await x.gradientTarget!.gradient.readFloats()).toEqual(
        Float32Array.of(8 * slope, 8 * slope, 8 * slope, 8, 8, 8 * slope, NaN),
      )
    }
  })

  it('takes nothing from what a slope of 0 multiplies', async () => {
    const x = fromArray(Float32Array.of(-1, -1, 1))
    trackGradient(x)
    scope(() => backward(sum(mul(leakyRelu(x, 0), fromArray(Float32Array.of(NaN, Infinity, 3))))))
    expect(await x.gradientTarget!.gradient.readFloats()).toEqual(Float32Array.of(0, 0, 3))
  })

  it('names the argument and what was received', () => {
    expect(() => leakyRelu(fromArray(new Int32Array(2)))).toThrow(
      'leaky_relu: x must be f32 or bf16, received a tensor of i32 [2]',
    )
    const x = fromArray(new Float32Array(2))
    expect(() => leakyRelu(x, -0.1)).toThrow('leaky_relu: slope must be 0 or more, received -0.1')
    expect(() => leakyRelu(x, NaN)).toThrow('leaky_relu: slope must be a finite number, received NaN')
  })
})
