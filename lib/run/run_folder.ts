import { join } from 'node:path'
import { exists } from '../files/exists.js'
import { removeLeftovers } from '../files/atomic_file.js'
import { type FolderLock, lockFile, lockFolder } from '../files/folder_lock.js'
import { readJson, writeJson } from '../files/json_file.js'
import { runFiles } from '../reporting/run_files.js'
import { CheckpointFolder } from '../training/checkpoint_folder.js'
import { changeable, changesOf, describeChange } from './run_changes.js'
import type { TrainConfig } from './train_config.js'

/** Where the parts of a run lie. */
export const runPaths = (folder: string) => ({
  config: join(folder, runFiles.config),
  checkpoints: join(folder, 'checkpoints'),
  model: join(folder, 'model'),
})

/**
 * Locks a run's folder for this process and removes the temporary files of killed ones. Throws as `lockFolder`, and where
 * the folder has a `config.json` that is not of a run: of a model, or the very config that was named.
 */
export async function lockRun(
  folder: string,
  purpose: string,
  onWarning: (line: string) => void,
): Promise<FolderLock> {
  const { config, checkpoints } = runPaths(folder)
  const ofRun = [checkpoints, join(folder, runFiles.sessions), join(folder, lockFile)]
  if ((await exists(config)) && !(await Promise.all(ofRun.map(exists))).some(Boolean))
    throw new Error(`${config}: is not of a run, which would write over it; use another --out folder`)
  const lock = await lockFolder(folder, purpose)
  if (!lock.locked)
    onWarning(
      `${folder}: its file system has no locks: see to it yourself that no other process writes into this folder`,
    )
  await removeLeftovers(folder)
  return lock
}

/** A run's folder in which training may begin or go on. */
export interface OpenRun {
  checkpoints: CheckpointFolder
  /** How long the run was to be trained when it was last started; undefined for a new run. */
  earlierLength: Pick<TrainConfig['training'], 'steps' | 'minutes'> | undefined
}

/**
 * Writes a run's config into its folder. Where the folder holds checkpoints, the run goes on from them.
 * @throws Error that lists the differences when they are of another config, or that names a model that is in the way
 */
export async function openRun(
  folder: string,
  config: TrainConfig,
  onWarning: (line: string) => void,
): Promise<OpenRun> {
  const paths = runPaths(folder)
  const checkpoints = new CheckpointFolder(paths.checkpoints, config.checkpoints.keep)
  const latest = await checkpoints.latest()
  if (!latest && (await exists(paths.model)))
    throw new Error(
      `${folder}: holds a model, ${paths.model}, and no checkpoint to go on from; training here would replace it. ` +
        `Use another --out folder, or --init ${paths.model} besides to begin anew with its weights`,
    )
  // As it is read back: what is undefined is left out.
  const written = JSON.parse(JSON.stringify(config)) as TrainConfig
  const earlier = latest ? ((await readJson(paths.config, null)) as TrainConfig | null) : null
  if (latest && earlier === null)
    onWarning(`${paths.config}: missing, so that changes of the config go unnoticed`)
  if (latest && earlier !== null) {
    const { refused, moved } = changesOf(earlier, written)
    if (refused.length > 0)
      throw new Error(
        `${folder}: holds a run with another config, which cannot be resumed with this one: ` +
          `${refused.map(describeChange).join('; ')}. Only these may change: ${changeable}. Use another --out ` +
          `folder, or besides --init ${join(latest, 'model')} to begin anew with the weights that it reached`,
      )
    for (const change of moved)
      onWarning(`${describeChange(change)}: it is expected to hold the same, in the same order`)
  }
  await writeJson(paths.config, written)
  return { checkpoints, earlierLength: earlier?.training }
}
