import { checkArguments } from '../../../arguments.js'
import { parseConfig } from '../../../config/parse.js'
import { TaskTrainer } from '../../../training/task_trainer.js'
import type { ModelParts } from '../io/folder.js'
import type { TrainingData } from './data.js'
import { trainerOptions, type TransfusionTrainingSettings, transfusionTrainingSchema } from './options.js'
import { transfusionTask } from './task.js'

/**
 * Trains a Transfusion model. One trainer at a time: a second `run` or `restore` of a model on its way rejects. `save`, and
 * the model's own, may be called at any time; other uses of the model while it is trained see its weights change.
 */
export class Trainer extends TaskTrainer {
  /**
   * `data`: captioned images by index, or what opens a stream of documents. Throws a ConfigError that names what is wrong
   * in the settings.
   */
  constructor(model: ModelParts, data: TrainingData, settings: TransfusionTrainingSettings) {
    checkArguments('Trainer', { model: [model, 'model'], data: [data, 'trainingData'] })
    if (model.network.arena.parameters.length === 0)
      throw new Error(
        'Trainer: the model was loaded for inference, and none of its weights is to be trained: load it without `weights`, or ' +
          'with weights: "f32"',
      )
    const options = parseConfig(transfusionTrainingSchema, settings, 'training options')
    super(transfusionTask(model, data, options), trainerOptions(options))
  }
}
