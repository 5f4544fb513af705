import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CheckpointFolder } from '../../lib/training/checkpoint_folder.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { temporaryFolder } from '../temporary_folder.js'
import { dataset, newModel } from './synthetic_dataset.js'

const settings: TransfusionTrainingSettings = {
  seed: 5,
  steps: 6,
  batchSize: 6,
  ema: 0.9,
  learningRate: { peak: 3e-3, final: 1e-4, warmupSteps: 3 },
}

/** Trains to the end, from the latest checkpoint that can be read. */
async function train(checkpoints: CheckpointFolder, messages: string[] = []) {
  const model = newModel()
  using network = model.network
  using trainer = new Trainer(model, dataset, settings)
  const from = await checkpoints.resume(
    (folder) => trainer.restore(folder),
    (message) => void messages.push(message),
  )
  const { steps } = trainer.done
  await trainer.run({ checkpoints: { folder: checkpoints, steps: 2 } })
  return { from, steps, weights: await network.arena.values.readFloats() }
}

it('trains on from the checkpoint before a damaged one in the same trainer, to the same weights', async () => {
  const checkpoints = new CheckpointFolder(await temporaryFolder(), 3)
  const whole = await train(checkpoints)
  expect(whole).toMatchObject({ from: undefined, steps: 0 })
  // The model's weights are read before these.
  await truncate(join(checkpoints.path, 'step-000000006', 'training.safetensors'), 500)
  const messages: string[] = []
  const again = await train(checkpoints, messages)
  expect(again).toMatchObject({ from: join(checkpoints.path, 'step-000000004'), steps: 4 })
  expect(again.weights).toEqual(whole.weights)
  expect(messages).toEqual([expect.stringContaining('step-000000006')])
})
