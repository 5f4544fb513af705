import { checkOptions } from '../../../arguments.js'
import { ConfigError, parseConfig } from '../../../config/parse.js'
import { type Objective, objectiveSchema } from '../../../diffusion/objective.js'
import { defaultImageCodec, type ImageCodec } from '../../../image/codec.js'
import type { ImagePreprocessingOptions } from '../../../image/image_preprocessing.js'
import type { ComputeType } from '../../../nn/arena.js'
import { imagePreprocessingOf } from '../../../sequence/image_model.js'
import { currentDevice, type Device, parseDevice } from '../../../tensor/device.js'
import type { JsonTokenizer } from '../../../tokenizer/tokenizer.js'
import {
  type TransfusionConfig,
  transfusionConfigSchema,
  type TransfusionOptions,
  withCodes,
} from '../config.js'
import { TransfusionNetwork, transfusionParameters } from '../model.js'
import { type Freeze, frozenStorage } from '../freeze.js'
import { type LoraSettings, parseLora } from '../lora.js'
import type { LoadedModel } from './folder.js'

/** What a new model has besides its sizes and its tokenizer. */
export interface NewModelOptions {
  /** The initial weights follow from it. */
  seed?: number
  /** bf16: f32 weights, rounded to bf16 for computing. */
  compute?: ComputeType
  /** Where the weights will lie and the model runs; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device
  /** What the network predicts, and how its error counts. */
  objective?: Partial<Objective>
  /** Encodes and decodes images, an autoencoder say; by default the one of the model's channels, see {@link defaultImageCodec}. */
  codec?: ImageCodec | undefined
  /** How image files become what the model reads; by default to the size that it generates. */
  imagePreprocessing?: ImagePreprocessingOptions
  /** Which parameters are not trained, see {@link Freeze}; by default all are. */
  freeze?: Freeze | undefined
  /** Low-rank updates, trained beside weights that are frozen then. */
  lora?: LoraSettings | undefined
}

/** A new model with random weights; `callee` is named in errors. Throws a ConfigError that names what is wrong. */
export function createModel(
  callee: string,
  sizes: Omit<TransfusionOptions, 'vocabulary' | 'tokens'>,
  tokenizer: JsonTokenizer,
  options: NewModelOptions,
): LoadedModel {
  const keys = {
    seed: true,
    compute: true,
    device: true,
    objective: true,
    codec: true,
    imagePreprocessing: true,
    freeze: true,
    lora: true,
  } as const
  checkOptions(callee, options, keys)
  const { seed = 0, compute = 'f32', device = currentDevice(), objective = {}, imagePreprocessing } = options
  const place = parseDevice(device, callee)
  const parsedObjective = parseConfig(objectiveSchema, objective, 'objective')
  const config = parseConfig(
    transfusionConfigSchema,
    { ...sizes, ...tokenizerIds(tokenizer, sizes.image?.codes) },
    'model config',
  )
  const codec = codecFor(config, options.codec)
  const preprocessing = imagePreprocessingOf({ network: { config }, codec }, imagePreprocessing)
  const lora = parseLora(options.lora, `${callee}: lora`)
  const fixed = frozenStorage(transfusionParameters(config), { ...options, lora }, `${callee}: `)
  const network = new TransfusionNetwork(config, compute, place, fixed, lora)
  network.arena.initialize(seed)
  return { network, tokenizer, objective: parsedObjective, codec, imagePreprocessing: preprocessing }
}

/** The codec that is given, or the default. Throws a ConfigError where it has not the channels of the model. */
export function codecFor(
  { image: { channels, codes } }: TransfusionConfig,
  codec: ImageCodec | undefined = defaultImageCodec(channels, codes),
): ImageCodec | undefined {
  if (codec && codec.codes !== codes)
    throw new ConfigError(
      `model config:\n  image.codes: expected ${codec.codes ?? 'none'}, as the codec has; received ${codes ?? 'none'}`,
    )
  if (!codec || codec.channels === channels) return codec
  throw new ConfigError(
    `model config:\n  image.channels: expected ${codec.channels}, as the codec has; received ${channels}`,
  )
}

/**
 * What a model's config takes from its tokenizer; the codes of images, where these are tokens, follow its own. Throws when it has no
 * end-of-document token.
 */
function tokenizerIds(
  { vocabularySize, bos, eos, boi, eoi }: JsonTokenizer,
  codes: number | undefined,
): Pick<TransfusionOptions, 'vocabulary' | 'tokens'> {
  if (eos === undefined) throw new Error('tokenizer: it has no end-of-document token, which a model needs')
  return withCodes(vocabularySize, { ...(bos !== undefined && { bos }), end: eos, boi, eoi }, codes)
}
