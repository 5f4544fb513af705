/** Which model a run's config is of. */
import {
  type AutoencoderModelName,
  autoencoders,
  defaultModelType,
  generativeModels,
  type GenerativeModelName,
} from '../models/registry.js'
import type { AutoencoderTrainConfig, WrittenAutoencoderConfig } from './autoencoder/config.js'
import { autoencoderType } from './autoencoder/model.js'
import { AutoencoderRun } from './autoencoder/run.js'
import type { GenerativeTrainConfig, WrittenGenerativeConfig } from './generative/config.js'
import { generativeModelType } from './generative/model.js'
import { GenerativeRun } from './generative/run.js'
import type { ModelRun } from './run_model.js'
import type { TrainConfig } from './train_config.js'

const isAutoencoderName = (type: string): type is AutoencoderModelName => Object.hasOwn(autoencoders, type)
const isGenerativeName = (type: string): type is GenerativeModelName => Object.hasOwn(generativeModels, type)

const isAutoencoder = (config: TrainConfig): config is AutoencoderTrainConfig =>
  isAutoencoderName(config.model.type)

/** What a run does that depends on its model. */
export const modelRun = (config: TrainConfig): ModelRun =>
  isAutoencoder(config) ? new AutoencoderRun(config) : new GenerativeRun(config)

/**
 * The config, where it is of a model of text and images. Throws an Error, which begins with `name`, for an autoencoder's;
 * `purpose`: what the config is to be used for.
 */
export function requireGenerative(config: TrainConfig, name: string, purpose: string): GenerativeTrainConfig {
  if (!isAutoencoder(config)) return config
  throw new Error(
    `${name}: model.type: expected ${Object.keys(generativeModels).map(quoted).join(' or ')}, received ` +
      `"${config.model.type}": ${purpose}`,
  )
}

const quoted = (name: string) => `"${name}"`

/**
 * The settings that the weights of a folder decide, for a config that leaves them out, by the config's model as it was
 * written; undefined for a model of an unknown type.
 */
export async function settingsOfWeights(
  folder: string,
  model: { type?: string },
): Promise<{ model: object; objective?: object } | undefined> {
  const { type = defaultModelType } = model
  if (isGenerativeName(type))
    return generativeModelType({ type }).settingsOfWeights(
      folder,
      model as NonNullable<WrittenGenerativeConfig['model']>,
    )
  if (isAutoencoderName(type))
    return autoencoderType({ type }).settingsOfWeights(folder, model as WrittenAutoencoderConfig['model'])
  return undefined
}
