import { type Device, withDevice } from '../../lib/tensor/device.js'
import type { TransfusionOptions } from '../../lib/models/transfusion/config.js'
import type { ComputeType } from '../../lib/nn/arena.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { newTraining } from '../training/new_training.js'
import { dataset, trainedConfig } from '../training/synthetic_dataset.js'

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
export const tinyTraining = (
  options: TransfusionTrainingSettings,
  device: Device = 'cuda',
  compute: ComputeType = 'f32',
  data = dataset,
  config: TransfusionOptions = tinyConfig,
) => withDevice(device, () => newTraining(config, options, data, compute))
