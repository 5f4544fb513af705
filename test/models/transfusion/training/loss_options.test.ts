import { expect, it } from 'vitest'
import { Trainer } from '../../../../lib/models/transfusion/training/trainer.js'
import type { TransfusionTrainingSettings } from '../../../../lib/models/transfusion/training/options.js'
import { dataset, newModel, trainingOptions } from '../../../training/synthetic_dataset.js'

async function reportsOf(more: Partial<TransfusionTrainingSettings>) {
  const model = newModel()
  using network = model.network
  using trainer = new Trainer(model, dataset, { ...trainingOptions(2, 12), ...more })
  const reports: { lm: number; gradientNorm: number }[] = []
  await trainer.run({ onStep: ({ terms, gradientNorm }) => reports.push({ lm: terms['lm']!, gradientNorm }) })
  expect(network.arena.version).toBeGreaterThan(0)
  return reports
}

it.each([{ labelSmoothing: 0.2 }, { zLoss: 0.01 }])(
  'trains with %o, and reports the cross-entropy without it',
  async (option) => {
    const [plain, penalized] = [await reportsOf({}), await reportsOf(option)]
    expect(penalized[0]!.lm).toBe(plain[0]!.lm)
    expect(penalized[0]!.gradientNorm).not.toBe(plain[0]!.gradientNorm)
    expect(penalized[1]!.lm).not.toBe(plain[1]!.lm)
  },
)

it('names an option that is out of range', () => {
  const model = newModel()
  using _ = model.network
  expect(() => new Trainer(model, dataset, { steps: 1, labelSmoothing: 1 })).toThrow('labelSmoothing')
  expect(() => new Trainer(model, dataset, { steps: 1, zLoss: -1 })).toThrow('zLoss')
})
