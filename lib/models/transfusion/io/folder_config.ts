import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { parseConfig } from '../../../config/parse.js'
import { currentFile } from '../../../files/atomic_folder.js'
import { readSealed } from '../../../files/checksum.js'
import { imagePreprocessingSchema } from '../../../image/image_preprocessing.js'
import {
  type CodecSizes,
  defaultImageCodec,
  type ImageCodecConfig,
  imageCodecConfigSchema,
} from '../../../image/codec.js'
import { codecOf, imagePreprocessingOf } from '../../../sequence/image_model.js'
import { formatValue } from '../../../describe.js'
import { objectiveSchema } from '../../../diffusion/objective.js'
import { autoencoderFolderName } from '../../autoencoder/held_autoencoder.js'
import { imageCodecSizes } from '../../autoencoder/image_codec.js'
import { describeAutoencoder } from '../../autoencoder/io/folder.js'
import { type TransfusionConfig, transfusionConfigSchema, transfusionName } from '../config.js'
import { loraSchema } from '../lora.js'
import { modelFiles as files } from './locate.js'
import { quantisedKinds } from './quantised_weights.js'

/** `config.json` of a model folder. */
const folderConfigSchema = z.strictObject({
  architecture: z.literal(transfusionName),
  model: transfusionConfigSchema,
  objective: objectiveSchema,
  /** Between images and the model's values; absent in folders made before there was one, and where the model has none. */
  codec: imageCodecConfigSchema.optional(),
  /** Makes a document of messages: Jinja, as transformers has it. */
  chatTemplate: z.string().optional(),
  /** Of image files; by default to the size that the model generates. */
  preprocessing: imagePreprocessingSchema.optional(),
  /** How the weights are quantised, for inference alone; absent where they are floats. */
  weights: z.enum(quantisedKinds).optional(),
  /** Of a checkpoint whose weights have low-rank updates beside them; absent where these are merged. */
  lora: loraSchema.optional(),
  /** Of the folder's files, this one included; absent in folders made before there were any. */
  checksums: z.record(z.string(), z.string()).optional(),
})

/**
 * The `config.json` of a model folder. Throws a ConfigError that names what is wrong in it, and a DamagedFileError where it
 * is not what was saved.
 */
export async function readModelConfig(folder: string, verify = true) {
  const path = await currentFile(folder, files.config)
  const parse = (json: unknown) => parseConfig(folderConfigSchema, json, path)
  const { model, objective, codec, chatTemplate, preprocessing, weights, lora, checksums } = await readSealed(
    path,
    {
      name: files.config,
      parse,
      verify,
    },
  )
  const listed = { list: path, checksums: verify ? checksums : undefined }
  const image = { codec: await codecSizes(codec, folder, model, path), network: { config: model } }
  const imagePreprocessing = imagePreprocessingOf(image, preprocessing)
  return {
    model,
    objective,
    codec,
    codecSizes: codecOf(image),
    chatTemplate,
    imagePreprocessing,
    weights,
    lora,
    listed,
  }
}

/** The sizes of the codec that a folder records; undefined where it records none. Throws where they are not the model's. */
async function codecSizes(
  codec: ImageCodecConfig | undefined,
  folder: string,
  { image }: TransfusionConfig,
  path: string,
): Promise<CodecSizes | undefined> {
  if (!codec) return undefined
  const sizes =
    codec.type === 'pixels'
      ? defaultImageCodec(image.channels, image.codes)
      : imageCodecSizes((await describeAutoencoder(join(folder, autoencoderFolderName))).config, image)
  if (sizes?.codes !== image.codes)
    throw new Error(
      `${path}: codec: ${codec.type} has ${sizes?.codes ?? 'no'} codes, received a model of ${image.codes ?? 'none'}`,
    )
  if (sizes?.channels === image.channels) return sizes
  const expected = sizes ? `has ${sizes.channels} channels` : 'have 1 or 3 channels'
  throw new Error(`${path}: codec: ${codec.type} ${expected}, received a model of ${image.channels}`)
}

/** Throws an Error unless two configs are of one model: of some settings, heads for one, no shape tells. */
export function refuseOtherConfig(stored: TransfusionConfig, own: TransfusionConfig, path: string): void {
  for (const key of new Set([...Object.keys(stored), ...Object.keys(own)] as (keyof TransfusionConfig)[]))
    if (!isDeepStrictEqual(stored[key], own[key]))
      throw new Error(
        `${path}: is of another model: ${key} is ${formatValue(stored[key])}, expected ${formatValue(own[key])}`,
      )
}
