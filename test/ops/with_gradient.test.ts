import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { valueAndGradients } from '../../lib/autograd/value_and_gradients.js'
import { add } from '../../lib/ops/add.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { withGradient } from '../../lib/ops/with_gradient.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'

const floats = (...values: number[]) => fromArray(Float32Array.from(values))

describe('withGradient', () => {
  it('is a loss that was differentiated by itself, as part of another', async () => {
    const results = []
    const loss = (y: Tensor) => sum(mul(y, mul(y, y)))
    for (const apart of [false, true]) {
      const x = floats(1, -2, 0.5)
      const dx = trackGradient(x)
      const root = scope(() => {
        const y = mul(x, x)
        const part = () => {
          const { value, gradients } = valueAndGradients(({ y }) => loss(y), { y })
          return withGradient(y, value, gradients.y)
        }
        const root = add(scale(apart ? part() : loss(y), 3), sum(y))
        backward(root)
        return root
      })
      results.push([...(await root.readFloats()), ...(await dx.readFloats())])
    }
    expect(results[1]).toEqual(results[0])
  })

  it('refuses what does not fit, and derivatives of its value and gradient', () => {
    const [x, value] = [floats(1, 2), floats(3)]
    expect(() => withGradient(x, value, floats(1))).toThrow('with_gradient: gradient must have shape [2]')
    expect(() => withGradient(x, x, x)).toThrow('with_gradient: value must have one element')
    expect(() => withGradient(zeros([2], 'bf16'), value, x)).toThrow('with_gradient: x must be f32')
    const parameter = floats(1)
    trackGradient(parameter)
    trackGradient(x)
    const root = withGradient(x, mul(parameter, parameter), floats(1, 1))
    expect(() => backward(root)).toThrow('with_gradient has no derivative for value')
  })
})
