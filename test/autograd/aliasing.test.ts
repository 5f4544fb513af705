import { expect, test } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { add } from '../../lib/ops/add.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { reshape } from '../../lib/ops/reshape.js'
import { scale } from '../../lib/ops/scale.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'

const parameter = (...values: number[]): [Tensor, Tensor] => {
  const tensor = fromArray(Float32Array.from(values))
  return [tensor, trackGradient(tensor)]
}

// add hands the gradient that it was given to both inputs, reshape a view of it.
test.each<[string, (x: Tensor) => Tensor]>([
  ['as it is', (x) => x],
  ['through a view', (x) => reshape(reshape(x, [2, 2]), [4])],
])('a gradient that two tensors wait for, %s, is not summed in place', async (_, view) => {
  const [a, da] = parameter(1, 2, 3, 4)
  const [b, db] = parameter(5, 6, 7, 8)
  const [x, y] = [scale(a, 1), scale(b, 1)]
  const weights = fromArray(Float32Array.of(10, 20, 30, 40))
  // Both wait for the gradient of the outer add; x then receives more.
  const extra = mul(x, weights)
  backward(sum(add(extra, add(view(x), view(y)))))
  expect(await da.read()).toEqual(Float32Array.of(11, 21, 31, 41))
  expect(await db.read()).toEqual(Float32Array.of(1, 1, 1, 1))
})

test.each([1, 2, 3, 4])('a tensor used %i times receives the sum', async (uses) => {
  const [a, da] = parameter(1, 2)
  const x = scale(a, 2)
  let y = scale(x, 1)
  for (let use = 1; use < uses; use++) y = add(y, x)
  backward(sum(y))
  expect(await da.read()).toEqual(new Float32Array(2).fill(2 * uses))
})
