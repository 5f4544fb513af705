import { readFile, writeFile } from 'node:fs/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { ComputeType } from '../../lib/nn/arena.js'
import { setThreads } from '../../lib/tensor/device.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { dataset, newModel, trainedConfig, trainingOptions } from './synthetic_dataset.js'

/** Losses that a change of ours must not change unnoticed: `UPDATE_GOLDEN=1` writes them anew. */
const golden = new URL('../fixtures/trajectory.json', import.meta.url)

type Losses = Record<'lm' | 'diffusion' | 'gradientNorm', number>

async function train(
  threads: number,
  compute: ComputeType = 'f32',
): Promise<{ losses: Losses[]; weights: Float32Array }> {
  setThreads(threads)
  const model = newModel(trainedConfig, compute)
  using network = model.network
  using trainer = new Trainer(model, dataset, trainingOptions(10, 24))
  const losses: Losses[] = []
  await trainer.run({
    onStep: ({ terms, gradientNorm, applied }) => {
      expect(applied).toBe(true)
      losses.push({ lm: terms['lm']!, diffusion: terms['diffusion']!, gradientNorm })
    },
  })
  return { losses, weights: await network.arena.values.readFloats() }
}

afterEach(() => setThreads(2))

describe('ten steps of a two-layer Transfusion', () => {
  it('have the losses that they always had', async () => {
    const { losses } = await train(2)
    if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(golden, `${JSON.stringify(losses, null, 2)}\n`)
    const expected = JSON.parse(await readFile(golden, 'utf8')) as Losses[]
    expect(losses.length).toBe(expected.length)
    losses.forEach((step, i) => {
      for (const name of ['lm', 'diffusion', 'gradientNorm'] as const)
        expect(Math.abs(step[name] / expected[i]![name] - 1), `${name} of step ${i}`).toBeLessThan(1e-4)
    })
    expect(losses.at(-1)!.lm).toBeLessThan(0.7 * losses[0]!.lm)
    expect(losses.at(-1)!.diffusion).toBeLessThan(0.9 * losses[0]!.diffusion)
  })

  it.each(['f32', 'bf16'] as const)(
    'are the same to the bit with one thread and with two (%s)',
    async (compute) => {
      const one = await train(1, compute)
      const two = await train(2, compute)
      expect(two.losses).toEqual(one.losses)
      expect(Buffer.from(two.weights.buffer).equals(Buffer.from(one.weights.buffer))).toBe(true)
    },
  )
})
