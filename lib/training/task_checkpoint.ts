/** A checkpoint of a task: its model in `model/`, and beside it what else training goes on from. */
import { join } from 'node:path'
import type { Checksums } from '../files/checksum.js'
import { readTrainingState, writeTrainingState } from './checkpoint.js'
import type { TrainingSteps } from './steps.js'
import type { TaskCheckpoint } from './task.js'

const modelFolder = 'model'

/** Writes a checkpoint of the last step taken into a folder, with checksums of all its files. */
export async function saveCheckpoint(
  folder: string,
  checkpoint: TaskCheckpoint<unknown>,
  { average, state, tensors }: TrainingSteps,
): Promise<void> {
  const checksums = await checkpoint.save(join(folder, modelFolder), average)
  await writeTrainingState(folder, state, tensors, ofCheckpoint(checksums))
}

/** Goes on from a checkpoint that `saveCheckpoint` wrote. Where it rejects while reading, nothing is changed. */
export async function restoreCheckpoint(
  folder: string,
  checkpoint: TaskCheckpoint<unknown>,
  steps: TrainingSteps,
  verify: boolean,
): Promise<void> {
  const stored = await readTrainingState(folder, steps, checkpoint.dataState, verify)
  const checksums = stored.checksums && ofModel(stored.checksums)
  const writeModel = await checkpoint.load(join(folder, modelFolder), { checksums, verify })
  await steps.restore(stored.state, writeModel, (tensors) => stored.write(tensors))
}

/** Checksums of the model's files, by their paths in the checkpoint. */
const ofCheckpoint = (checksums: Checksums): Checksums =>
  Object.fromEntries(Object.entries(checksums).map(([name, sum]) => [`${modelFolder}/${name}`, sum]))

/** The checksums of the model's files among those of a checkpoint, by their names in the model's folder. */
function ofModel(checksums: Checksums): Checksums {
  const prefix = `${modelFolder}/`
  const own = Object.entries(checksums).filter(([path]) => path.startsWith(prefix))
  return Object.fromEntries(own.map(([path, sum]) => [path.slice(prefix.length), sum]))
}
