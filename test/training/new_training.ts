import type { ComputeType } from '../../lib/nn/arena.js'
import type { TransfusionOptions } from '../../lib/models/transfusion/config.js'
import type { TrainingData } from '../../lib/models/transfusion/training/data.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { dataset, newModel } from './synthetic_dataset.js'

/** A new model and its trainer; `using` frees both. */
export function newTraining(
  config: TransfusionOptions,
  settings: TransfusionTrainingSettings,
  data: TrainingData = dataset,
  compute: ComputeType = 'f32',
) {
  const model = newModel(config, compute)
  const trainer = new Trainer(model, data, settings)
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
