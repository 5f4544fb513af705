/** What a run's settings have wrong for a Transfusion model, found before anything is made. */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { parseConfig } from '../../../config/parse.js'
import { sameNumber } from '../../../config/same_number.js'
import { readLatentsIndex } from '../../../data/sources/latents/latents_folder.js'
import type { DataConfig } from '../../../datasets/data_config.js'
import type { Objective } from '../../../diffusion/objective.js'
import { exists } from '../../../files/exists.js'
import type { ImagePreprocessing, ImagePreprocessingOptions } from '../../../image/image_preprocessing.js'
import type { ComputeType } from '../../../nn/arena.js'
import { type CodecSizes, defaultImageCodec } from '../../../image/codec.js'
import type { LatentScaling } from '../../../image/latent_calibration.js'
import { joinStatistics, type LatentStatistics } from '../../../image/latent_statistics.js'
import { requireImagePreprocessing } from '../../../sequence/image_model.js'
import { patchGrid } from '../../../sequence/metadata.js'
import type { Device } from '../../../tensor/device.js'
import { autoencoderChecksums, autoencoderFolderName } from '../../autoencoder/held_autoencoder.js'
import { imageCodecSizes } from '../../autoencoder/image_codec.js'
import { describeAutoencoder } from '../../autoencoder/io/folder.js'
import { type TransfusionConfig, transfusionConfigSchema, withCodes } from '../config.js'
import { frozenNames } from '../freeze.js'
import { transfusionParameters } from '../model.js'
import { readModelConfig } from '../io/folder_config.js'
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
const { vocabulary, tokens } = { vocabulary: 3, tokens: { end: 0, boi: 1, eoi: 2 } }

/** The sizes of a run's model, all but the vocabulary. Throws a ConfigError that begins with `name`, the config's. */
const sizesOf = ({ model }: RunSettings, name: string): TransfusionConfig =>
  parseConfig(
    z.object({ model: transfusionConfigSchema }),
    { model: { ...modelOptions(model), ...withCodes(vocabulary, tokens, model.image.codes) } },
    name,
  ).model

/** The sizes of the codec that a run's model reads images by. Rejects where there is no such autoencoder. */
async function codecSizesOf({ autoencoder, image }: ModelOptions): Promise<CodecSizes | undefined> {
  if (autoencoder === undefined) return defaultImageCodec(image.channels, image.codes)
  return imageCodecSizes((await describeAutoencoder(autoencoder)).config, image)
}

/** How images are decoded for a model of these sizes. Throws an Error that begins with `name`. */
const preprocessingFor = (
  { imagePreprocessing }: RunSettings,
  sizes: TransfusionConfig,
  codec: CodecSizes | undefined,
  name: string,
): ImagePreprocessing =>
  requireImagePreprocessing(
    { network: { config: sizes }, codec, imagePreprocessing },
    `${name}: imagePreprocessing`,
  )

/** How a run decodes images. Rejects with an Error that begins with `name`. */
export const preprocessingOf = async (settings: RunSettings, name: string): Promise<ImagePreprocessing> =>
  preprocessingFor(settings, sizesOf(settings, name), await codecSizesOf(settings.model), name)

/**
 * Checks how model, data and batches fit. Rejects with an Error that begins with `name`, the config's; resolves with the
 * model's sizes, and the patches of an image as the run decodes it.
 */
export async function checkSettings(
  settings: RunSettings,
  name: string,
): Promise<{ sizes: TransfusionConfig; patches: number }> {
  const { data, model, training } = settings
  const sizes = sizesOf(settings, name)
  frozenNames(transfusionParameters(sizes), training, `${name}: training.`)
  for (const source of data.type === 'mixture' ? data.sources : [data])
    if (source.type === 'latents') await checkLatents(source.path, model, name)
  const codec = await codecSizesOf(model)
  checkCodes(data, model, codec, name)
  checkChannels(data, model, codec, name)
  const { height, width } = preprocessingFor(settings, sizes, codec, name)
  const { downscale } = codec!
  const { rows, columns } = patchGrid(
    { height: height / downscale, width: width / downscale },
    sizes.image.patch,
  )
  const patches = rows * columns
  // Each document of a folder has an image, which stands between BOI and EOI and is not cut.
  if (data.type === 'folder') checkBatchTokens(training, patches, name)
  return { sizes, patches }
}

/**
 * The model of a run that goes on from a model's folder: with the autoencoder of that, so that the config's own may be gone.
 * Undefined where the folder cannot be read. Rejects with an Error where the config's autoencoder is there and is another one.
 */
export async function continuedModel(
  { model }: Pick<RunSettings, 'model'>,
  folder: string,
  name: string,
): Promise<ModelOptions | undefined> {
  const { autoencoder } = model
  if (autoencoder === undefined) return model
  const stored = await readModelConfig(folder).catch(() => undefined)
  if (!stored?.codec || stored.codec.type === 'pixels') return undefined
  if (
    (await exists(autoencoder)) &&
    !isDeepStrictEqual(await autoencoderChecksums(autoencoder), stored.codec.checksums)
  )
    throw new Error(
      `${name}: model.autoencoder: expected the one that the run has trained with, a copy of which is in ${folder}; ` +
        `received another, ${autoencoder}`,
    )
  return { ...model, autoencoder: join(folder, autoencoderFolderName) }
}

/** That images which are to be tokens have codes: those of an autoencoder with as many. */
function checkCodes(
  data: DataConfig,
  { autoencoder, image: { codes } }: ModelOptions,
  codec: CodecSizes | undefined,
  name: string,
): void {
  if (codes === undefined) return
  if (autoencoder === undefined)
    throw new Error(
      `${name}: model.autoencoder: expected the folder of a VQ-VAE, whose codes images are to become (model.image.codes)`,
    )
  if (codec?.codes !== codes)
    throw new Error(
      codec?.codes === undefined
        ? `${name}: model.autoencoder: expected a VQ-VAE, as model.image.codes asks for; ${autoencoder} has no codebook`
        : `${name}: model.image.codes: expected ${codec.codes}, as ${autoencoder} has; received ${codes}`,
    )
  const sources = data.type === 'mixture' ? data.sources : [data]
  if (sources.some(({ type }) => type === 'latents'))
    throw new Error(`${name}: data: expected images, of which the autoencoder makes codes; latents are none`)
}

/** Image files are gray or have three colours, MNIST's are gray. */
function checkChannels(
  data: DataConfig,
  { autoencoder, image: { channels } }: ModelOptions,
  codec: CodecSizes | undefined,
  name: string,
): void {
  const sources = data.type === 'mixture' ? data.sources : [data]
  const gray = sources.find(({ type }) => type === 'idx' || type === 'fashion-mnist')
  const expected = gray ? [1] : [1, 3]
  const as = `as ${gray ? `images of "${gray.type}"` : 'image files'} have`
  if (autoencoder === undefined) {
    if (expected.includes(channels)) return
    throw new Error(
      `${name}: model.image.channels: expected ${expected.join(' or ')}, ${as}; received ${channels}`,
    )
  }
  const { imageChannels, channels: latentChannels } = codec!
  if (!expected.includes(imageChannels))
    throw new Error(
      `${name}: model.autoencoder: expected one of images of ${expected.join(' or ')} channels, ${as}; ` +
        `${autoencoder} reads ${imageChannels}`,
    )
  if (channels !== latentChannels)
    throw new Error(
      `${name}: model.image.channels: expected ${latentChannels}, as the latents of ${autoencoder} have; received ${channels}`,
    )
}

/** That latents were made by the model's autoencoder. */
async function checkLatents(folder: string, { autoencoder }: ModelOptions, name: string): Promise<void> {
  const index = await readLatentsIndex(folder)
  if (autoencoder === undefined)
    throw new Error(
      `${name}: model.autoencoder: expected the one that the latents of ${folder} were made by: images that are generated are ` +
        'decoded by it',
    )
  if (!isDeepStrictEqual(index.autoencoder, await autoencoderChecksums(autoencoder)))
    throw new Error(
      `${name}: data: the latents of ${folder} were made by another autoencoder than ${autoencoder}: encode them again`,
    )
}

/** The statistics of all latents of a run's data; undefined where none of it is encoded. */
export async function statisticsOfLatents({
  data,
}: Pick<RunSettings, 'data'>): Promise<LatentStatistics | undefined> {
  const sources = data.type === 'mixture' ? data.sources : [data]
  const folders = sources.flatMap((source) => (source.type === 'latents' ? [source.path] : []))
  const indices = await Promise.all(folders.map(readLatentsIndex))
  return indices.length > 0 ? joinStatistics(indices.map(({ statistics }) => statistics)) : undefined
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
): Promise<{
  model: WeightSizes & { autoencoder?: string; latentScale?: LatentScaling }
  objective?: Objective
}> {
  const { sizes, autoencoder, latentScale, ...rest } = await readSizes(folder)
  refusePreset(written, sizes, folder)
  if (latentScale && written.latentScale && written.latentScale !== latentScale)
    throw new Error(
      `model.latentScale: the weights of ${folder} have read latents with "${latentScale}", received "${written.latentScale}"`,
    )
  const ofLatents = { ...(autoencoder !== undefined && { autoencoder }), ...(latentScale && { latentScale }) }
  return { model: { ...sizes, ...ofLatents }, ...rest }
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
