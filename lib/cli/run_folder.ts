import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readJson, writeJson } from '../data/json_file.js'
import { CheckpointFolder } from '../training/checkpoint_folder.js'

/** Where the parts of a run lie. */
export const runPaths = (folder: string) => ({
  config: join(folder, 'config.json'),
  checkpoints: join(folder, 'checkpoints'),
  model: join(folder, 'model'),
})

/** Parts of a config that may change from one session of a run to the next: they change nothing that is learned. */
const changeable = new Set(['samples', 'checkpoints', 'loading', 'log'])

/**
 * Makes a run's folder and writes the config into it. Where the folder holds checkpoints already, the run goes on from
 * the latest, which is returned. Throws an Error that lists the differences when they are of another config.
 */
export async function openRun(
  folder: string,
  config: object,
  keep: number,
): Promise<{ checkpoints: CheckpointFolder; latest: string | undefined }> {
  const paths = runPaths(folder)
  const checkpoints = new CheckpointFolder(paths.checkpoints, keep)
  const latest = await checkpoints.latest()
  // As it is read back: what is undefined is left out.
  const written: unknown = JSON.parse(JSON.stringify(config))
  if (latest) {
    const earlier = await readJson(paths.config)
    const differing = differences(earlier, written).filter((path) => !changeable.has(path.split('.')[0]!))
    if (differing.length > 0)
      throw new Error(
        `${folder}: holds a run with another config, which cannot be resumed with this one; they differ in ` +
          `${differing.join(', ')}. Use another --out folder, or --init ${join(latest, 'model')} to begin anew ` +
          'with the weights that it reached',
      )
  }
  await mkdir(folder, { recursive: true })
  await writeJson(paths.config, written)
  return { checkpoints, latest }
}

/** The paths, "training.steps" say, at which two values of JSON differ. */
export function differences(a: unknown, b: unknown, path = ''): string[] {
  if (!isObject(a) || !isObject(b)) return JSON.stringify(a) === JSON.stringify(b) ? [] : [path]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    differences(a[key], b[key], path === '' ? key : `${path}.${key}`),
  )
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
