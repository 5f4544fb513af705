/** What a run's settings have wrong for an autoencoder, found before anything is made. */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { parseConfig } from '../../../config/parse.js'
import type { DataConfig } from '../../../datasets/data_config.js'
import { formatValue } from '../../../describe.js'
import {
  type ImagePreprocessing,
  type ImagePreprocessingOptions,
  imagePreprocessingSchema,
} from '../../../image/image_preprocessing.js'
import type { ComputeType } from '../../../nn/arena.js'
import type { Device } from '../../../tensor/device.js'
import { leastSide } from '../../lpips/vgg.js'
import { type AutoencoderConfig, autoencoderConfigSchema, downscaleOf } from '../config.js'
import { autoencoderFiles, describeAutoencoder } from '../io/folder.js'
import {
  type AutoencoderModelOptions,
  namedAutoencoderSizes,
  presetImage,
  type WrittenAutoencoderModel,
} from '../model_options.js'
import { type AutoencoderPresetName, autoencoderPresets } from '../presets.js'
import { sizeProblem } from '../training/discriminator.js'
import type { AutoencoderTrainingOptions } from '../training/options.js'

/** What of a run's config concerns its autoencoder. */
export interface AutoencoderSettings {
  readonly data: DataConfig
  readonly model: AutoencoderModelOptions
  readonly training: AutoencoderTrainingOptions
  readonly imagePreprocessing: ImagePreprocessingOptions
  readonly precision: ComputeType
  readonly device: Device
}

/** The sizes of a run's autoencoder. Throws a ConfigError that begins with `name`, the config's. */
export const sizesOf = (model: AutoencoderModelOptions, name: string): AutoencoderConfig =>
  parseConfig(z.object({ model: autoencoderConfigSchema }), { model: namedAutoencoderSizes(model) }, name)
    .model

/**
 * How a run decodes images: to the size that they are given, or that the preset is meant for. Throws a ConfigError that begins
 * with `name`.
 */
export function preprocessingOf(
  { model, imagePreprocessing }: Pick<AutoencoderSettings, 'model' | 'imagePreprocessing'>,
  name: string,
): ImagePreprocessing {
  const config = sizesOf(model, name)
  const unit = downscaleOf(config)
  const { imageChannels: channels } = config
  const size = presetImage(model)
  const schema = imagePreprocessingSchema.superRefine((preprocessing, context) => {
    const problem = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (preprocessing.channels !== channels)
      problem('channels', `expected ${channels}, as model.imageChannels`)
    for (const side of ['width', 'height'] as const)
      if (size === undefined && imagePreprocessing[side] === undefined)
        problem(side, `expected the images' ${side} in pixels: model.preset, which would say it, is not set`)
      else if (preprocessing[side] % unit !== 0)
        problem(side, `expected a multiple of ${unit}, as the ${config.channels.length} levels halve it`)
  })
  return parseConfig(schema, { ...size, channels, ...imagePreprocessing }, `${name}: imagePreprocessing`)
}

/** Checks how model and data fit. Throws an Error that begins with `name`, the config's. */
export function checkSettings({ data, training, ...settings }: AutoencoderSettings, name: string): void {
  const { channels, width, height } = preprocessingOf(settings, name)
  const { discriminator } = training.loss
  const problem = discriminator && sizeProblem({ width, height }, discriminator.layers)
  if (problem) throw new Error(`${name}: training.loss.discriminator.layers: expected fewer: ${problem}`)
  if (training.loss.perceptual && Math.min(width, height) < leastSide)
    throw new Error(
      `${name}: training.loss.perceptual: expected images of at least ${leastSide} x ${leastSide} pixels, as its network halves ` +
        `them; received ${width} x ${height}`,
    )
  for (const { type } of data.type === 'mixture' ? data.sources : [data]) {
    if (type === 'text')
      throw new Error(`${name}: data: expected images, which an autoencoder is trained on; "text" has none`)
    if (type === 'latents')
      throw new Error(
        `${name}: data: expected images, which an autoencoder is trained on; those of "latents" are encoded already`,
      )
    if ((type === 'idx' || type === 'fashion-mnist') && channels !== 1)
      throw new Error(
        `${name}: model.imageChannels: expected 1, as images of "${type}" have; received ${channels}`,
      )
  }
}

/** A line for each setting with which an autoencoder is expected to learn badly. */
export const adviceFor = ({ training: { loss, steps } }: Pick<AutoencoderSettings, 'training'>): string[] =>
  loss.discriminator && steps !== undefined && loss.discriminator.start >= steps
    ? [
        `training.loss.discriminator.start: ${loss.discriminator.start} is not before the end of training, after ${steps} ` +
          'steps, so that there is no discriminator; begin with it at about half of them',
      ]
    : []

/** The sizes of the weights of a folder. Throws where `written`, the model as the config has it, names a preset of others. */
export async function settingsOfWeights(
  folder: string,
  { preset }: WrittenAutoencoderModel,
): Promise<{ model: object }> {
  const { config } = await describeAutoencoder(folder)
  const { encoder: onnx } = await autoencoderFiles(folder)
  if (preset !== undefined && Object.hasOwn(autoencoderPresets, preset))
    refuseOtherSizes(namedAutoencoderSizes({ preset }), config, folder, presetProblem(preset))
  const { frozenEncoder } = config
  return { model: { ...config, ...(frozenEncoder && { frozenEncoder: { ...frozenEncoder, onnx } }) } }
}

const presetProblem = (preset: AutoencoderPresetName) => (key: string, value: string, stored: string) =>
  `model.preset: "${preset}" has ${key} ${value}, the weights have ${stored}; leave the preset out, and the sizes are those of ` +
  'the weights'

/** Throws an Error where sizes are not those of the weights of a folder. */
export function refuseOtherSizes(
  sizes: Partial<AutoencoderConfig>,
  stored: AutoencoderConfig,
  folder: string,
  problem: (key: string, value: string, stored: string) => string = (key, value, stored) =>
    `model.${key}: expected ${stored}, as the weights have; received ${value}`,
): void {
  for (const key of Object.keys(sizes) as (keyof AutoencoderConfig)[])
    if (!isDeepStrictEqual(sizes[key], stored[key]))
      throw new Error(`${folder}: ${problem(key, formatValue(sizes[key]), formatValue(stored[key]))}`)
}
