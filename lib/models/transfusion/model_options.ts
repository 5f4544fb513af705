import { z } from 'zod'
import { given } from '../../config/given.js'
import { filePath } from '../../config/paths.js'
import { transfusionConfigSchema, transfusionName, type TransfusionOptions } from './config.js'
import { presets, type PresetName, type Sizes } from './presets.js'

const modelShape = transfusionConfigSchema.shape

/** The sizes of a model; its tokenizer decides the vocabulary. With `--init` what is left out is the folder's. */
export const modelOptionsSchema = z.strictObject({
  /** A model of text and images, the default; what else there is, an autoencoder, has a config of its own below. */
  type: z.literal(transfusionName).default(transfusionName),
  /** Sizes to begin with, tiny by default; what is set beside it goes before it. See the list of presets below. */
  preset: z.enum(Object.keys(presets) as [PresetName, ...PresetName[]]).optional(),
  /** Transformer blocks; by default the preset's. */
  layers: modelShape.layers.optional(),
  /** C, the model's width; by default the preset's. */
  channels: modelShape.channels.optional(),
  /** H, query heads; by default the preset's. */
  heads: modelShape.heads.optional(),
  kvHeads: modelShape.kvHeads,
  /** F, the width inside SwiGLU; by default the preset's, or where channels are set 8/3 of these, rounded up to 256s. */
  feedForward: modelShape.feedForward,
  headSize: modelShape.headSize,
  attentionBias: modelShape.attentionBias,
  qkNorm: modelShape.qkNorm,
  normOrder: modelShape.normOrder,
  unrotatedLayers: modelShape.unrotatedLayers,
  ropeTheta: modelShape.ropeTheta,
  ropeScaling: modelShape.ropeScaling,
  normEps: modelShape.normEps,
  image: modelShape.image,
  /**
   * Folder of a frozen autoencoder of diffusers, AutoencoderKL or VQModel, whose latents, or with `image.codes` codes, the model
   * reads in place of pixels: the sizes of `image` are then those of latents. Without one the model reads pixels.
   */
  autoencoder: filePath.optional(),
  /**
   * How latents become what the model reads. autoencoder: by the factors of the autoencoder's config. measured: so that each
   * channel has mean 0 and variance 1 over the latents of the data, where it is encoded, or of its first 64 images. By default
   * the autoencoder's factors where it has any, else measured. What was measured is kept with the model.
   */
  latentScale: z.enum(['autoencoder', 'measured']).optional(),
})

export type ModelOptions = z.output<typeof modelOptionsSchema>
/** As it stands in a file; with weights to begin with, what is left out is theirs. */
export type WrittenModelOptions = Partial<z.input<typeof modelOptionsSchema>>

/** The sizes that a config names: its preset's, but for what is set beside it. */
export function namedSizes({
  type: _type,
  autoencoder: _autoencoder,
  latentScale: _latentScale,
  preset,
  image,
  ...own
}: WrittenModelOptions) {
  return { ...(preset && sizesBeside(preset, own.channels)), ...given(own), image }
}

/** The sizes of a new model: those of tiny where no preset is named. */
export const modelOptions = ({
  preset = 'tiny',
  ...own
}: ModelOptions): Omit<TransfusionOptions, 'vocabulary' | 'tokens'> => ({
  ...sizesBeside(preset, own.channels),
  ...namedSizes(own),
  image: own.image,
})

/** A preset's sizes where the channels are set to `channels`: the width of its feed-forward layers goes with its own. */
function sizesBeside(preset: PresetName, channels: number | undefined): Sizes {
  const { feedForward, ...sizes }: Sizes = presets[preset]
  return channels === undefined && feedForward !== undefined ? { ...sizes, feedForward } : sizes
}
