import { readJson } from '../files/json_file.js'
import { readSizes, sameNumber, type WeightSizes } from '../models/transfusion/io/initialize.js'
import { presets } from '../models/transfusion/presets.js'
import { CheckpointFolder } from '../training/checkpoint_folder.js'
import { runPaths } from './run_folder.js'
import { namedSizes, type WrittenTrainConfig } from './train_config.js'

/**
 * A config as it stands in its file, with what it leaves to the weights that the run begins with: the sizes and the
 * objective of the folder `init`, or, where the run in `out` goes on, those that it began with.
 */
export async function withSizesOfWeights(written: unknown, out: string, init?: string): Promise<unknown> {
  if (!isObject(written)) return written
  const { config, checkpoints } = runPaths(out)
  if (await new CheckpointFolder(checkpoints, 1).latest()) {
    const { model, objective } = (await readJson(config, {})) as { model?: object; objective?: object }
    const { preset: _, ...sizes } = { preset: undefined, ...model }
    return completed(written, { model: sizes, objective })
  }
  if (init === undefined) return written
  const { sizes, objective } = await readSizes(init)
  refusePreset((written as WrittenTrainConfig).model ?? {}, sizes, init)
  return completed(written, { model: sizes, objective })
}

/** A preset is asked for by one name, so one message says which of its sizes the weights have not. */
function refusePreset(
  model: Partial<NonNullable<WrittenTrainConfig['model']>>,
  sizes: WeightSizes,
  init: string,
): void {
  const { preset } = model
  if (preset === undefined || !Object.hasOwn(presets, preset)) return
  for (const [key, value] of Object.entries(namedSizes(model))) {
    const stored = sizes[key as keyof WeightSizes]
    if (Object.hasOwn(model, key) || typeof value !== 'number' || typeof stored !== 'number') continue
    if (!sameNumber(value, stored))
      throw new Error(
        `model.preset: "${preset}" has ${key} ${value}, the weights of ${init} have ${stored}; leave the preset out, ` +
          'and the sizes are those of the weights',
      )
  }
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
