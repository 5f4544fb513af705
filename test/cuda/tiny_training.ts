import { withDevice } from '../../lib/tensor/device.js'
import type { Device } from '../../lib/tensor/device.js'
import type { ComputeType } from '../../lib/nn/arena.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { dataset, newModel, trainedConfig } from '../training/synthetic_dataset.js'

export const tinyConfig = { ...trainedConfig, layers: 1, channels: 16, heads: 2, feedForward: 32 }

export const settings = (
  steps: number,
  more: Partial<TransfusionTrainingSettings> = {},
): TransfusionTrainingSettings => ({
  seed: 5,
  steps,
  batchSize: 3,
  learningRate: { peak: 3e-3, final: 1e-4, warmupSteps: 1 },
  ema: 0.9,
  ...more,
})

/** A new model on a device and its trainer; `using` frees both. */
export function tinyTraining(
  options: TransfusionTrainingSettings,
  device: Device = 'cuda',
  compute: ComputeType = 'f32',
  data = dataset,
) {
  const model = withDevice(device, () => newModel(tinyConfig, compute))
  const trainer = new Trainer(model, data, options)
  return {
    model,
    trainer,
    weights: () => model.network.arena.values.readFloats(),
    [Symbol.dispose]() {
      trainer[Symbol.dispose]()
      model.network[Symbol.dispose]()
    },
  }
}
