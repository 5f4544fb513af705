/** What a run's settings have wrong for a Transfusion model, found before anything is made. */
import { z } from 'zod'
import { parseConfig } from '../../../config/parse.js'
import { sameNumber } from '../../../config/same_number.js'
import type { DataConfig } from '../../../datasets/data_config.js'
import type { Objective } from '../../../diffusion/objective.js'
import type { ImagePreprocessingOptions } from '../../../image/image_preprocessing.js'
import type { ComputeType } from '../../../nn/arena.js'
import { requireImagePreprocessing } from '../../../sequence/image_model.js'
import { patchGrid } from '../../../sequence/metadata.js'
import type { Device } from '../../../tensor/device.js'
import { type TransfusionConfig, transfusionConfigSchema } from '../config.js'
import { readSizes, type WeightSizes } from '../io/initialize.js'
import { type ModelOptions, modelOptions, namedSizes, type WrittenModelOptions } from '../model_options.js'
import { presets } from '../presets.js'
import type { TransfusionTrainingOptions } from '../training/options.js'

/** What of a run's config concerns its model. */
export interface RunSettings {
  readonly data: DataConfig
  readonly model: ModelOptions
  readonly training: TransfusionTrainingOptions
  readonly objective: Objective
  readonly imagePreprocessing: ImagePreprocessingOptions
  readonly precision: ComputeType
  readonly device: Device
}

/** Stands for a tokenizer that is not there yet. */
const anyVocabulary = { vocabulary: 3, tokens: { end: 0, boi: 1, eoi: 2 } }

/** The sizes of a run's model, all but the vocabulary. Throws a ConfigError that begins with `name`, the config's. */
export const sizesOf = ({ model }: RunSettings, name: string): TransfusionConfig =>
  parseConfig(
    z.object({ model: transfusionConfigSchema }),
    { model: { ...modelOptions(model), ...anyVocabulary } },
    name,
  ).model

/** The patches of an image as a run prepares it. Throws an Error that begins with `name`. */
export function patchesOf(settings: RunSettings, sizes: TransfusionConfig, name: string): number {
  const images = { network: { config: sizes }, imagePreprocessing: settings.imagePreprocessing }
  const preprocessing = requireImagePreprocessing(images, `${name}: imagePreprocessing`)
  const { rows, columns } = patchGrid(preprocessing, sizes.image.patch)
  return rows * columns
}

/** Checks how model, data and batches fit. Throws an Error that begins with `name`, the config's. */
export function checkSettings(settings: RunSettings, name: string): void {
  const { data, model, training } = settings
  const sizes = sizesOf(settings, name)
  checkChannels(data, model.image.channels, name)
  const patches = patchesOf(settings, sizes, name)
  // Each document of a folder has an image, which stands between BOI and EOI and is not cut.
  if (data.type === 'folder') checkBatchTokens(training, patches, name)
}

/** Image files are gray or have three colours, MNIST's are gray. */
function checkChannels(data: DataConfig, channels: number, name: string): void {
  const sources = data.type === 'mixture' ? data.sources : [data]
  const gray = sources.find(({ type }) => type === 'idx' || type === 'fashion-mnist')
  const expected = gray ? [1] : [1, 3]
  if (expected.includes(channels)) return
  throw new Error(
    `${name}: model.image.channels: expected ${expected.join(' or ')}, as ` +
      `${gray ? `images of "${gray.type}"` : 'image files'} have; received ${channels}`,
  )
}

function checkBatchTokens(
  { batchTokens = Infinity, gradientAccumulation }: TransfusionTrainingOptions,
  patches: number,
  name: string,
): void {
  const least = patches + 2
  if (Math.floor(batchTokens / gradientAccumulation) >= least) return
  throw new Error(
    `${name}: training.batchTokens: expected at least ${least * gradientAccumulation}: an image has ${patches} patches and two ` +
      `tokens that frame it, and a batch ${gradientAccumulation} micro-batches; received ${batchTokens}`,
  )
}

/**
 * The settings that the weights of a folder decide: the sizes, and of a model of ours the objective. Throws where `written`,
 * the model as the config has it, names a preset of other sizes.
 */
export async function settingsOfWeights(
  folder: string,
  written: WrittenModelOptions,
): Promise<{ model: WeightSizes; objective?: Objective }> {
  const { sizes, ...rest } = await readSizes(folder)
  refusePreset(written, sizes, folder)
  return { model: sizes, ...rest }
}

/** A preset is one name, so one message says which of its sizes differs from the weights'. */
function refusePreset(model: WrittenModelOptions, sizes: WeightSizes, folder: string): void {
  const { preset } = model
  if (preset === undefined || !Object.hasOwn(presets, preset)) return
  for (const [key, value] of Object.entries(namedSizes(model))) {
    const stored = sizes[key as keyof WeightSizes]
    if (Object.hasOwn(model, key) || typeof value !== 'number' || typeof stored !== 'number') continue
    if (!sameNumber(value, stored))
      throw new Error(
        `model.preset: "${preset}" has ${key} ${value}, the weights of ${folder} have ${stored}; leave the preset out, ` +
          'and the sizes are those of the weights',
      )
  }
}
