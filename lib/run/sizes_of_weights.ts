import { readJson } from '../files/json_file.js'
import { sameNumber } from '../config/same_number.js'
import { CheckpointFolder } from '../training/checkpoint_folder.js'
import { runPaths } from './run_folder.js'
import { settingsOfWeights } from './model_runs.js'

/**
 * A config as it stands in its file, with what it leaves to the weights that the run begins with: the sizes and the
 * objective of the folder `init`, or, where the run in `out` goes on, those that it began with.
 */
export async function withSizesOfWeights(
  written: unknown,
  out: string | undefined,
  init: string | undefined,
): Promise<unknown> {
  if (!isObject(written)) return written
  if (out !== undefined && (await new CheckpointFolder(runPaths(out).checkpoints, 1).latest())) {
    const { config } = runPaths(out)
    const { model, objective } = (await readJson(config, {})) as { model?: object; objective?: object }
    const { preset: _, ...sizes } = { preset: undefined, ...model }
    return completed(written, { model: sizes, objective })
  }
  if (init === undefined) return written
  // What is wrong with the model, an unknown type say, is refused when the config is parsed.
  const model = isObject(written['model']) ? written['model'] : {}
  return completed(written, await settingsOfWeights(init, model))
}

/** What is set, and what is stored where nothing is, or the same number in other digits. */
function completed(set: unknown, stored: unknown): unknown {
  if (set === undefined) return stored
  if (typeof set === 'number' && typeof stored === 'number') return sameNumber(set, stored) ? stored : set
  if (!isObject(set) || !isObject(stored)) return set
  const keys = [...new Set([...Object.keys(set), ...Object.keys(stored)])]
  return Object.fromEntries(
    keys
      .map((key) => [key, completed(set[key], stored[key])] as const)
      .filter(([, value]) => value !== undefined),
  )
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
