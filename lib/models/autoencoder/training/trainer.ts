import { checkArguments } from '../../../arguments.js'
import { parseConfig } from '../../../config/parse.js'
import { TaskTrainer } from '../../../training/task_trainer.js'
import type { LoadedAutoencoder } from '../io/folder.js'
import { autoencoderTrainingSchema, type AutoencoderTrainingSettings, trainerOptions } from './options.js'
import { type AutoencoderData, autoencoderTask } from './task.js'

/**
 * Trains an autoencoder. One trainer at a time: a second `run` or `restore` of a model on its way rejects. `save`, and the
 * model's own, may be called at any time; other uses of the model while it is trained see its weights change.
 */
export class AutoencoderTrainer extends TaskTrainer {
  /** Throws a ConfigError that names what is wrong in the settings. */
  constructor(autoencoder: LoadedAutoencoder, data: AutoencoderData, settings: AutoencoderTrainingSettings) {
    checkArguments('AutoencoderTrainer', {
      autoencoder: [autoencoder, 'autoencoder'],
      data: [data, 'object'],
    })
    const options = parseConfig(autoencoderTrainingSchema, settings, 'training options')
    super(autoencoderTask(autoencoder, data, options), trainerOptions(options))
  }
}
