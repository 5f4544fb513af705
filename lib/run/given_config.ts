import { readConfig, withSettings } from '../files/config_file.js'
import { trainConfigSchema, type WrittenTrainConfig } from './train_config.js'

/** A training config as a caller gave it, changed as its options say. */
export interface GivenConfig {
  /** Begins messages about it: its path, where it has one. */
  readonly name: string
  /** Without defaults. Paths are relative to the working folder. */
  readonly written: unknown
}

/**
 * `config`: the path of a config file, or what such a file holds, whose paths are then relative to the working folder. `set`:
 * changes, as `--set` takes them; `device`: in place of the config's.
 */
export async function givenConfig(
  config: string | WrittenTrainConfig,
  { set = [], device }: { set?: readonly string[]; device?: string },
): Promise<GivenConfig> {
  const settings = device === undefined ? set : [...set, `device=${device}`]
  if (typeof config !== 'string')
    return { name: 'config', written: withSettings(trainConfigSchema, config, settings) }
  return { name: config, written: await readConfig(config, trainConfigSchema, settings) }
}
