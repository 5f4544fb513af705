import { describe, expect, test } from 'vitest'
import { backward, noGrad, trackGradient } from '../../lib/autograd/tape.js'
import { defineOp } from '../../lib/autograd/op.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { Parameter } from '../../lib/nn/parameters.js'
import { add } from '../../lib/ops/add.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { silu } from '../../lib/ops/silu.js'
import { softmax } from '../../lib/ops/softmax.js'
import { memory } from '../../lib/tensor/device.js'
import { scope } from '../../lib/tensor/scope.js'
import { empty, fromArray, type Tensor } from '../../lib/tensor/tensor.js'

const parameter = (values: number[], shape?: number[]): [Tensor, Tensor] => {
  const tensor = fromArray(Float32Array.from(values), shape)
  return [tensor, trackGradient(tensor)]
}

describe('gradients', () => {
  test('add up in a parameter, within a pass and over passes', async () => {
    const [x, dx] = parameter([1, 2])
    for (let pass = 0; pass < 3; pass++) backward(sum(mul(x, x)))
    expect(await dx.read()).toEqual(Float32Array.of(6, 12))
  })

  test.each([
    { shape: [3], expected: [60, 60, 60] },
    { shape: [2, 1], expected: [90, 90] },
    { shape: [1, 1], expected: [180] },
    { shape: [], expected: [180] },
  ])('are summed over what $shape was repeated along', async ({ shape, expected }) => {
    const [b, db] = parameter(
      expected.map(() => 1),
      shape,
    )
    backward(sum(mul(fromArray(new Float32Array(6).fill(30), [2, 3]), b)))
    expect(await db.read()).toEqual(Float32Array.from(expected))
  })

  test('pass through an input that was freed', async () => {
    const [x, dx] = parameter([3, 4])
    const doubled = scale(x, 2)
    const root = sum(add(doubled, x))
    doubled.free()
    backward(root)
    expect(await dx.read()).toEqual(Float32Array.of(3, 3))
  })

  test('do not flow through what ran under noGrad', async () => {
    const [x, dx] = parameter([3, 4])
    const constant = noGrad(() => scale(x, 5))
    backward(sum(mul(x, constant)))
    expect(await dx.read()).toEqual(Float32Array.of(15, 20))
    expect(() => backward(noGrad(() => sum(x)))).toThrow(/root must depend on a parameter/)
  })

  test('flow again after a body of noGrad threw', () => {
    const [x] = parameter([1])
    expect(() =>
      noGrad(() => {
        throw new Error('from the body')
      }),
    ).toThrow('from the body')
    expect(() => noGrad(async () => {})).toThrow(/must be synchronous/)
    expect(scale(x, 1).tapeEntry).toBeDefined()
  })
})

describe('backward throws', () => {
  test('for a root of several elements', () => {
    const [x] = parameter([1, 2])
    expect(() => backward(scale(x, 1))).toThrow('root must have one element, received a tensor of f32 [2]')
  })

  test('over ops that it has been through', () => {
    const [x] = parameter([1, 2])
    const y = silu(x)
    const [first, second] = [sum(y), sum(scale(y, 2))]
    backward(first)
    expect(() => backward(first)).toThrow(/differentiated twice/)
    expect(() => backward(second)).toThrow(/differentiated twice/)
  })

  test('over an op without a derivative, naming it', () => {
    const [x] = parameter([1])
    const opaque = defineOp({
      name: 'opaque',
      forward: ({ x }: { x: Tensor }) => ({ output: empty(x.shape), saved: {} }),
      backward: 'none',
    })
    expect(() => backward(sum(opaque({ x }, {})))).toThrow('opaque has no derivative')
  })

  test('over parameters that were updated after the forward pass', () => {
    const weight = new Parameter('weight', [4], { value: 1 }, true)
    const arena = new ParameterArena([weight])
    arena.zeroGradients()
    const root = sum(scale(weight.tensor, 2))
    arena.updated()
    expect(() => backward(root)).toThrow('parameter x was updated after the forward pass')
    backward(sum(scale(weight.tensor, 2)))
  })
})

describe('tensors', () => {
  const [weight] = parameter([1, -2, 3, 4], [2, 2])
  const forward = () => sum(mul(silu(mul(weight, weight)), silu(scale(weight, 3))))

  test('that the tape saved outlive their scope until the backward pass is through with them', () => {
    const before = memory().tensors
    const root = scope(forward)
    expect(memory().tensors).toBeGreaterThan(before + 1)
    scope(() => backward(root))
    root.free()
    expect(memory().tensors).toBe(before)
  })

  test('that the tape saved are freed with the last tensor that leads to them, without a backward pass', () => {
    const before = memory().tensors
    const [x, root] = scope(() => {
      const x = softmax(mul(weight, weight))
      return [x, sum(mul(x, softmax(x)))]
    })
    root.free()
    expect(memory().tensors).toBe(before + 1)
    scope(() => backward(sum(mul(x, x))))
    x.free()
    expect(memory().tensors).toBe(before)
    scope(forward).free()
    expect(memory().tensors).toBe(before)
  })

  test('of a pass that threw are freed', () => {
    const before = memory().tensors
    scope(() => {
      const y = sum(silu(weight))
      backward(y)
      expect(() => backward(y)).toThrow('an op was differentiated twice')
    })
    expect(memory().tensors).toBe(before)
  })
})
