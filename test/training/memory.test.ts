import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { generate } from '../../lib/generation/generate.js'
import { fence, memory } from '../../lib/tensor/device.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { collectGarbage } from '../collect_garbage.js'
import { scriptedModel } from '../generation/scripted_model.js'
import { dataset, newModel, trainedConfig, trainingOptions } from './synthetic_dataset.js'

/** V8 gives the pages of its young generation back in the background: of a few readings the lowest counts. */
async function held() {
  await fence()
  let resident = Infinity
  for (let i = 0; i < 8; i++) {
    collectGarbage()
    await setTimeout(20)
    resident = Math.min(resident, process.memoryUsage.rss())
  }
  const { tensors, live, cached } = memory()
  return { tensors, live, cached, resident }
}

const mebibyte = 2 ** 20

function expectNoGrowth(before: Awaited<ReturnType<typeof held>>, after: typeof before): void {
  expect(after.tensors).toBe(before.tensors)
  expect(after.live).toBe(before.live)
  expect(after.cached).toBeLessThanOrEqual(before.cached + mebibyte)
  expect(after.resident).toBeLessThanOrEqual(before.resident + 16 * mebibyte)
}

describe('memory does not grow', () => {
  it('over 2,000 training steps', async () => {
    const tiny = { ...trainedConfig, channels: 16, heads: 2, feedForward: 32 }
    const model = newModel(tiny)
    using trainer = new Trainer(model, dataset, trainingOptions(2000, 2))
    const readings: Awaited<ReturnType<typeof held>>[] = []
    await trainer.run({ every: { steps: 400, run: async () => void readings.push(await held()) } })
    expect(readings.length).toBe(5)
    expectNoGrowth(readings[0]!, readings.at(-1)!)
    model.network[Symbol.dispose]()
  })

  it('over 200 generations', async () => {
    const model = await scriptedModel()
    const generateMany = async (count: number) => {
      for (let seed = 0; seed < count; seed++)
        for await (const part of generate(model, 'a', { seed, steps: 3, maxTokens: 4, previewEvery: 2 }))
          if (part.type === 'preview' && seed % 4 === 0) break
    }
    await generateMany(40)
    const before = await held()
    await generateMany(200)
    expectNoGrowth(before, await held())
    model.network[Symbol.dispose]()
  })
})
