import { expect, test } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { silu } from '../../lib/ops/silu.js'
import { fence, memory } from '../../lib/tensor/device.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray } from '../../lib/tensor/tensor.js'

// In a process of its own: what other tests left to the garbage collector would be freed between the counts.
test('1,000 training steps leave no tensor and no byte behind', async () => {
  const weight = fromArray(Float32Array.of(1, -2, 3, 4), [2, 2])
  const gradient = trackGradient(weight)
  const step = () => scope(() => backward(sum(mul(silu(mul(weight, weight)), silu(scale(weight, 3))))))
  step()
  await fence()
  const before = memory()
  for (let count = 0; count < 1000; count++) {
    step()
    if (count % 100 === 0) await fence()
  }
  await fence()
  const { live, cached, tensors } = before
  expect(memory()).toMatchObject({ live, cached, tensors })
  expect((await gradient.read()).every((value) => Number.isFinite(value) && value !== 0)).toBe(true)
})
