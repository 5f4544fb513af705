import { describe, expect, test } from 'vitest'
import { recompute } from '../../lib/autograd/recompute.js'
import { backward, noGrad, trackGradient } from '../../lib/autograd/tape.js'
import { transfusionLoss } from '../../lib/models/transfusion/training/loss.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { Parameter } from '../../lib/nn/parameters.js'
import { add } from '../../lib/ops/add.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { reshape } from '../../lib/ops/reshape.js'
import { scale } from '../../lib/ops/scale.js'
import { silu } from '../../lib/ops/silu.js'
import { split } from '../../lib/ops/split.js'
import { memory } from '../../lib/tensor/device.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'
import {
  perturbedNetwork,
  testImagePart,
  tinyConfig,
  tinyUNet,
  trainingBatch,
} from '../models/transfusion/tiny_model.js'

const parameter = (values: number[], shape?: number[]): [Tensor, Tensor] => {
  const tensor = fromArray(Float32Array.from(values), shape)
  return [tensor, trackGradient(tensor)]
}

const documents = [
  { parts: [{ type: 'text' as const, ids: [5, 6, 7] }, testImagePart(4, 4, 1)] },
  { parts: [testImagePart(4, 6, 2), { type: 'text' as const, ids: [8, 9] }] },
]

const plainly = <I, Y>(body: (inputs: I) => Y, inputs: I): Y => body(inputs)

/** The gradients of two parameters, with a function run plainly and recomputed. */
async function gradientsOf(loss: (run: typeof recompute, a: Tensor, b: Tensor) => Tensor) {
  const results: Float32Array[][] = []
  for (const run of [plainly as typeof recompute, recompute]) {
    const [a, da] = parameter([1, -2, 3, 4])
    const [b, db] = parameter([0.5, 0.25, -1, 2])
    scope(() => backward(loss(run, a, b)))
    results.push([await da.readFloats(), await db.readFloats()])
  }
  return results as [Float32Array[], Float32Array[]]
}

describe('recompute gives the same gradients', () => {
  test.each<[string, Parameters<typeof gradientsOf>[0]]>([
    [
      'of inputs and of parameters inside',
      (run, a, b) => sum(run(({ x }) => mul(silu(mul(x, b)), x), { x: scale(a, 2) })),
    ],
    [
      'where only parameters inside have any',
      (run, a, b) => sum(run(({ x }) => mul(mul(x, a), b), { x: fromArray(Float32Array.of(1, 2, 3, 4)) })),
    ],
    ['of an input that is a parameter', (run, a, b) => sum(run(({ x }) => mul(silu(x), b), { x: a }))],
    [
      'within another',
      (run, a, b) =>
        sum(run(({ x }) => silu(run(({ y }) => mul(silu(y), b), { y: mul(x, a) })), { x: scale(a, 3) })),
    ],
    [
      'of several outputs, one of them unused',
      (run, a, b) => {
        const halves = run(({ x }) => split(silu(mul(x, b)), [2, 2], 0), { x: scale(a, 2) })
        return sum(mul(halves[0]!, halves[0]!))
      },
    ],
    [
      'of a list of inputs',
      (run, a, b) => sum(run(({ xs }) => mul(xs[0]!, silu(xs[1]!)), { xs: [scale(a, 2), scale(b, 3)] })),
    ],
    // Hands the gradient that it is given to several tensors, inside and outside.
    [
      'through what passes gradients on as they are',
      (run, a, b) => {
        const [x, y] = [scale(a, 2), scale(b, 3)]
        const z = run(({ x, y }) => add(x, add(reshape(x, [4]), y)), { x, y })
        return sum(mul(add(add(z, x), y), fromArray(Float32Array.of(10, 20, 30, 40))))
      },
    ],
    [
      'of an input that is an output',
      (run, a, b) => {
        const [x, y] = run(({ x }) => [x, mul(x, b)], { x: scale(a, 2) }) as [Tensor, Tensor]
        return sum(mul(x, y))
      },
    ],
  ])('%s', async (_, loss) => {
    const [expected, received] = await gradientsOf(loss)
    expect(expected.some((gradient) => gradient.some((value) => value !== 0))).toBe(true)
    expect(received).toEqual(expected)
  })

  test.each([
    ['f32', undefined],
    ['bf16', undefined],
    ['f32', tinyUNet],
  ] as const)('of every parameter of a Transfusion, to the bit (%s, %o)', async (compute, unet) => {
    const config = unet ? { ...tinyConfig, image: { ...tinyConfig.image, unet } } : tinyConfig
    using network = await perturbedNetwork(config, compute)
    const step = async (recomputeBlocks: boolean) => {
      network.recomputeBlocks = recomputeBlocks
      network.arena.zeroGradients()
      using loss = scope(() => {
        const { total } = transfusionLoss(network, trainingBatch(documents), { imageWeight: 5 })
        backward(total)
        return total
      })
      return [await loss.readFloats(), await network.arena.gradients.readFloats()]
    }
    const expected = await step(false)
    expect(await step(true)).toEqual(expected)
  })
})

describe('recompute', () => {
  const [weight] = parameter([1, -2, 3, 4])
  const deep = (run: typeof recompute) => {
    let x = scale(weight, 1)
    for (let layer = 0; layer < 10; layer++) x = run(({ x }) => silu(silu(silu(silu(x)))), { x })
    return sum(x)
  }

  test('keeps the inputs alone until the backward pass, and then nothing', () => {
    const before = memory().tensors
    const kept = (run: typeof recompute) => {
      const loss = scope(() => deep(run))
      const count = memory().tensors - before
      scope(() => backward(loss))
      loss.free()
      expect(memory().tensors).toBe(before)
      return count
    }
    expect(kept(plainly as typeof recompute)).toBe(41)
    expect(kept(recompute)).toBe(11)
  })

  test('takes less memory at its height', () => {
    // The height only ever rises: the run that needs less comes first.
    const height = (run: typeof recompute) => {
      scope(() => {
        const x = mul(weight, fromArray(new Float32Array(4 << 16).fill(1), [1 << 16, 4]))
        let y = x
        for (let layer = 0; layer < 16; layer++) y = run(({ y }) => silu(silu(silu(silu(y)))), { y })
        backward(sum(y))
      })
      return memory().peak
    }
    const before = memory().live
    const recomputed = height(recompute) - before
    expect(height(plainly as typeof recompute) - before).toBeGreaterThan(2 * recomputed)
  })

  test('runs its body once under noGrad, and records nothing', () => {
    let runs = 0
    const output = noGrad(() => recompute(({ x }) => (runs++, silu(x)), { x: weight }))
    expect(runs).toBe(1)
    expect(output.tapeEntry).toBeUndefined()
    expect(recompute(({ x }) => silu(x), { x: fromArray(Float32Array.of(1)) }).tapeEntry).toBeUndefined()
  })

  test('throws where parameters inside were updated after the forward pass', () => {
    const inside = new Parameter('weight', [4], { value: 1 }, true)
    using arena = new ParameterArena([inside])
    arena.zeroGradients()
    const loss = sum(recompute(({ x }) => mul(x, inside.tensor), { x: scale(weight, 2) }))
    arena.updated()
    expect(() => backward(loss)).toThrow('parameter mul.b was updated after the forward pass')
  })

  test('throws where its body uses what was computed from parameters outside, or hands it on', () => {
    const outside = scale(weight, 2)
    expect(() => recompute(({ x }) => mul(x, outside), { x: weight })).toThrow(
      "mul: b must be computed in recompute's body, or be one of its inputs, where it needs a gradient, received a tensor of f32 [4] from outside",
    )
    for (const tensor of [outside, weight])
      expect(() => recompute(() => tensor, {})).toThrow(
        'recompute: body must return tensors that it computes',
      )
    expect(silu(weight).tapeEntry).toBeDefined()
  })
})
