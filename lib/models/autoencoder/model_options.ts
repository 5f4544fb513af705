import { z } from 'zod'
import { given } from '../../config/given.js'
import type { ImageSize } from '../../image/image.js'
import { filePath } from '../../config/paths.js'
import {
  autoencoderConfigSchema,
  autoencoderName,
  type AutoencoderOptions,
  normalizationSchema,
} from './config.js'
import { type AutoencoderPresetName, autoencoderPresets } from './presets.js'

const shape = autoencoderConfigSchema.shape

/** The sizes of an autoencoder between images and latents. With `--init` what is left out is the folder's. */
export const autoencoderModelSchema = z
  .strictObject({
    /** An autoencoder, which a model of text and images names as its `autoencoder` once it is trained. */
    type: z.literal(autoencoderName),
    /** Sizes to begin with, by the side of the images; what is set beside it goes before it. See the list of presets below. */
    preset: z
      .enum(Object.keys(autoencoderPresets) as [AutoencoderPresetName, ...AutoencoderPresetName[]])
      .optional(),
    /** Of the images: 1 is grayscale, 3 is RGB; 3 by default. */
    imageChannels: shape.imageChannels.unwrap().optional(),
    /** Channels of each level, from the image down; each level is half as high and wide as the one before it. */
    channels: shape.channels.optional(),
    /** Residual blocks on each level of the encoder, the decoder has one more; by default the preset's, or 2. */
    blocks: shape.blocks.unwrap().optional(),
    /** L, values of one position of a latent; the paper has 8. */
    latentChannels: shape.latentChannels.optional(),
    /** Of the group norms; they divide the channels of each level. By default the preset's, or 32. */
    groups: shape.groups.unwrap().optional(),
    /** Whether the lowest level has self-attention over all its positions; true by default. */
    attention: shape.attention.unwrap().optional(),
    /** Whether a 1 x 1 convolution follows the encoder; true by default. */
    quantConv: shape.quantConv.unwrap().optional(),
    /** Whether a 1 x 1 convolution precedes the decoder; true by default. */
    postQuantConv: shape.postQuantConv.unwrap().optional(),
    /**
     * Present in a representation autoencoder: latents are the features that a frozen network has of images, and the decoder alone is
     * trained. `latentChannels` are its features', and `channels` have as many levels as it halves images, and one more.
     */
    frozenEncoder: z
      .strictObject({
        /**
         * The network: images [N, C, H, W] to features [N, latentChannels, h, w], both f32. It is computed by onnxruntime-node, which is
         * to be installed besides (npm install --ignore-scripts onnxruntime-node).
         */
        onnx: filePath,
        /** Of pixels of 0..1, of each color or one of all; 0.5 by default. The network is given (pixel - mean) / std. */
        mean: normalizationSchema.shape.mean.optional(),
        /** As `mean`; 0.5 by default. */
        std: normalizationSchema.shape.std.optional(),
      })
      .optional(),
    codebook: shape.codebook,
  })
  .superRefine(({ preset, channels, latentChannels }, context) => {
    if (preset === undefined && (channels === undefined || latentChannels === undefined))
      context.addIssue({
        code: 'custom',
        path: ['preset'],
        message: `expected ${Object.keys(autoencoderPresets).map(quoted).join(', ')}, or channels and latentChannels`,
      })
  })

const quoted = (name: string) => `"${name}"`

export type AutoencoderModelOptions = z.output<typeof autoencoderModelSchema>
/** As it stands in a file; with weights to begin with, what is left out is theirs. */
export type WrittenAutoencoderModel = Partial<z.input<typeof autoencoderModelSchema>>

/** The sizes that a config names: its preset's, but for what is set beside it. */
export function namedAutoencoderSizes({
  type: _type,
  preset,
  frozenEncoder,
  ...own
}: WrittenAutoencoderModel): Partial<AutoencoderOptions> {
  const { image: _image, ...sizes } = preset === undefined ? { image: undefined } : autoencoderPresets[preset]
  const { mean = [0.5], std = [0.5] } = frozenEncoder ?? {}
  return { ...sizes, ...given(own), ...(frozenEncoder && { frozenEncoder: { mean, std } }) }
}

/** The size of the images that a config's preset is meant for. */
export const presetImage = ({ preset }: Pick<WrittenAutoencoderModel, 'preset'>): ImageSize | undefined =>
  preset === undefined ? undefined : autoencoderPresets[preset].image
