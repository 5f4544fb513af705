import { expect, it } from 'vitest'
import { backward, noGrad, trackGradient } from '../../lib/autograd/tape.js'
import { Sequential } from '../../lib/nn/sequential.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { memory } from '../../lib/tensor/device.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'

const cube = { forward: (x: Tensor) => mul(mul(x, x), x) }

it('gives what its layers give one after the other, and the gradient of that', async () => {
  using x = fromArray(Float32Array.of(0.5, -1, 2))
  const gradient = trackGradient(x)
  using y = scope(() => sum(new Sequential([cube, cube]).forward(x)))
  expect(await y.readFloats()).toEqual(Float32Array.of(0.5 ** 9 - 1 + 2 ** 9))
  backward(y)
  expect(await gradient.readFloats()).toEqual(Float32Array.of(9 * 0.5 ** 8, 9, 9 * 2 ** 8))
  gradient.free()
})

it('holds no more of what lies between layers than two of them need', () => {
  using x = fromArray(new Float32Array(1 << 20))
  const before = memory().live
  const most: number[] = []
  const layers = Array.from({ length: 6 }, () => ({
    forward(h: Tensor) {
      const y = mul(h, h)
      most.push((memory().live - before) / x.bytes)
      return y
    },
  }))
  using y = noGrad(() => new Sequential(layers).forward(x))
  expect(y.shape).toEqual(x.shape)
  // Its input and its output; of the first layer the input is the caller's.
  expect(most).toEqual([1, 2, 2, 2, 2, 2])
  expect(memory().live - before).toBe(x.bytes)
})

it('leaves its input alone, and gives it back where there is no layer', () => {
  using x = fromArray(Float32Array.of(1, 2))
  expect(new Sequential([]).forward(x)).toBe(x)
  scope(() => void new Sequential([cube]).forward(x))
  expect(x.freed).toBe(false)
})
