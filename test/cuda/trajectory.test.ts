import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { dataset, newModel, trainingOptions } from '../training/synthetic_dataset.js'

const golden = new URL('../fixtures/trajectory.json', import.meta.url)
const names = ['lm', 'diffusion', 'gradientNorm'] as const
type Losses = Record<(typeof names)[number], number>

it('ten steps of a two-layer Transfusion have the losses that they have on the CPU', async () => {
  const expected = JSON.parse(await readFile(golden, 'utf8')) as Losses[]
  const model = newModel()
  using network = model.network
  expect(network.arena.values.device).toBe('cuda:0')
  using trainer = new Trainer(model, dataset, trainingOptions(10, 24))
  const losses: Losses[] = []
  await trainer.run({
    onStep: ({ terms, gradientNorm, applied }) => {
      expect(applied).toBe(true)
      losses.push({ lm: terms['lm']!, diffusion: terms['diffusion']!, gradientNorm })
    },
  })
  expect(losses.length).toBe(expected.length)
  losses.forEach((step, i) => {
    for (const name of names)
      expect(Math.abs(step[name] / expected[i]![name] - 1), `${name} of step ${i}`).toBeLessThan(1e-4)
  })
})
