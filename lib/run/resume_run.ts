import { join } from 'node:path'
import type { CheckpointFolder } from '../training/checkpoint_folder.js'
import type { TaskTrainer } from '../training/task_trainer.js'
import type { ModelRun, RunModel } from './run_model.js'

/**
 * A run's model and trainer, restored from its latest checkpoint that can be read; undefined where there is none. Damaged
 * checkpoints are set aside, with a warning. Rejects where there are checkpoints and none can be read.
 */
export async function resumeRun(
  checkpoints: CheckpointFolder,
  run: Pick<ModelRun, 'load'>,
  trainerOf: (model: RunModel) => TaskTrainer,
  onWarning: (line: string) => void,
): Promise<{ model: RunModel; trainer: TaskTrainer } | undefined> {
  let resumed: { model: RunModel; trainer: TaskTrainer } | undefined
  await checkpoints.resume(async (folder) => {
    const model = await run.load(join(folder, 'model'))
    let trainer: TaskTrainer | undefined
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
