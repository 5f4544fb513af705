import { join } from 'node:path'
import { Transfusion } from '../transfusion.js'
import type { LoadOptions } from '../models/transfusion/io/folder.js'
import type { CheckpointFolder } from '../training/checkpoint_folder.js'
import type { Trainer } from '../models/transfusion/training/trainer.js'

/**
 * A run's model and trainer, restored from its latest checkpoint that can be read; undefined where there is none. Damaged
 * checkpoints are set aside, with a warning. Rejects where there are checkpoints and none can be read.
 */
export async function resumeRun(
  checkpoints: CheckpointFolder,
  options: LoadOptions,
  trainerOf: (model: Transfusion) => Trainer,
  onWarning: (line: string) => void,
): Promise<{ model: Transfusion; trainer: Trainer } | undefined> {
  let resumed: { model: Transfusion; trainer: Trainer } | undefined
  await checkpoints.resume(async (folder) => {
    const model = await Transfusion.load(join(folder, 'model'), options)
    let trainer: Trainer | undefined
    try {
      trainer = trainerOf(model)
      await trainer.restore(folder)
    } catch (error) {
      trainer?.[Symbol.dispose]()
      model[Symbol.dispose]()
      throw error
    }
    resumed = { model, trainer }
  }, onWarning)
  return resumed
}
