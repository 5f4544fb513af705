import { describe, expect, test } from 'vitest'
import { embedding } from '../../lib/ops/embedding.js'
import { matmul } from '../../lib/ops/matmul.js'
import { scale } from '../../lib/ops/scale.js'
import { sum } from '../../lib/ops/reduce.js'
import { backward } from '../../lib/autograd/tape.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { Parameter } from '../../lib/nn/parameters.js'
import { AdamW, adamwSchema } from '../../lib/training/adamw.js'
import { native } from '../../lib/native.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'

const weight = fromArray(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2])
const badId = 7
const message = /embedding: ids\[1\] must be -1 or in 0\.\.2, received 7/
const failed = () => embedding(weight, fromArray(Int32Array.of(0, badId)))

describe('a kernel that fails on device data', () => {
  test('rejects its own reads, naming op, argument and value, and no one else’s', async () => {
    const generation = async (ids: number[]) => {
      let x = embedding(weight, fromArray(Int32Array.from(ids)))
      for (let step = 0; step < 3; step++) {
        x = scale(x, 2)
        await x.read().catch(() => {})
      }
      return x.read()
    }
    const [bad, good] = await Promise.allSettled([generation([0, badId]), generation([2, 0])])
    expect(bad).toMatchObject({ status: 'rejected', reason: { message: expect.stringMatching(message) } })
    expect(good).toMatchObject({ status: 'fulfilled', value: Float32Array.of(40, 48, 8, 16) })
    expect(await weight.read()).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
  })

  test('marks what is computed from its output, and what that is added to', async () => {
    const y = matmul(scale(failed(), 2), fromArray(Float32Array.of(1, 0, 0, 1), [2, 2]))
    const target = fromArray(new Float32Array(4), [2, 2])
    native.accumulate(target.handle, y.handle)
    await expect(y.read()).rejects.toThrow(message)
    await expect(target.read()).rejects.toThrow(message)
    await expect(y.view([2], 2).read()).rejects.toThrow(message)
  })

  test.each<[string, (tensor: Tensor) => void, number]>([
    ['a fill', (tensor) => native.fill(tensor.handle, 3), 3],
    ['a write', (tensor) => tensor.write(Float32Array.of(5, 5, 5, 5)), 5],
    ['an op that overwrites it', (tensor) => native.scale(tensor.handle, weight.view([2, 2]).handle, 0), 0],
  ])('is forgotten after %s', async (_, overwrite, value) => {
    const y = failed()
    await expect(y.read()).rejects.toThrow(message)
    overwrite(y)
    expect(await y.read()).toEqual(new Float32Array(4).fill(value))
  })

  test('leaves parameters and moments as they were, and the next step works', async () => {
    const run = async (failing: boolean) => {
      const parameter = new Parameter('weight', [3, 2], { value: 0.5 }, true)
      const arena = new ParameterArena([parameter])
      arena.initialize(0)
      const optimizer = new AdamW(arena, adamwSchema.parse({ weightDecay: 0 }))
      const step = (ids: number[]) =>
        scope(() => {
          backward(sum(embedding(parameter.tensor, fromArray(Int32Array.from(ids)))))
          return optimizer.step(0.1)
        })
      const values = () => arena.valuesOf(parameter).readFloats()
      await step([1, 1]).read()
      const before = await values()
      const message = failing && (await step([0, badId]).read().then(String, String))
      const between = await values()
      await step([2, 1]).read()
      return { message, before, between, after: await values() }
    }
    const [undisturbed, disturbed] = [await run(false), await run(true)]
    expect(disturbed.message).toContain('embedding_backward: ids[1] must be -1 or in 0..2, received 7')
    expect({ ...disturbed, message: false }).toEqual(undisturbed)
    expect(disturbed.between).toEqual(disturbed.before)
    expect(disturbed.after).not.toEqual(disturbed.before)
  })
})
