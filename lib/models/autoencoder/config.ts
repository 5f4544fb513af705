import { z } from 'zod'

/** Names the type of model in configs. */
export const autoencoderName = 'autoencoder'

const count = z.int().positive()

const codebookSchema = z.strictObject({
  /** K, the number of codes. */
  codes: count.max(2 ** 24),
  /** Values of a code; by default as many as `latentChannels`. */
  channels: count.optional(),
})

const colors = (values: z.ZodNumber) => z.array(values).min(1).max(3)

/** How a frozen encoder reads pixels of 0..1: (pixel - mean) / std. */
export const normalizationSchema = z.strictObject({
  /** Of each color, or one of all. */
  mean: colors(z.number()),
  /** As `mean`. */
  std: colors(z.number().positive()),
})

/**
 * Sizes of an autoencoder of images (Esser et al. 2021; Rombach et al. 2022), as diffusers' AutoencoderKL and VQModel have
 * them under other names.
 */
export const autoencoderConfigSchema = z
  .strictObject({
    /** Of the images: 1 is grayscale, 3 is RGB. */
    imageChannels: z.literal([1, 3]).default(3),
    /** Channels of each level, from the image down; each level is half as high and wide as the one before it. */
    channels: z.array(count).min(1).max(8),
    /** Residual blocks on each level of the encoder; the decoder has one more. */
    blocks: count.default(2),
    /** L, values of one position of a latent. */
    latentChannels: count,
    /** Of the group norms; they divide the channels of each level. */
    groups: count.default(32),
    /** Whether the lowest level has self-attention over all its positions. */
    attention: z.boolean().default(true),
    /** Whether a 1 x 1 convolution follows the encoder. */
    quantConv: z.boolean().default(true),
    /** Whether a 1 x 1 convolution precedes the decoder. */
    postQuantConv: z.boolean().default(true),
    /** Present in a representation autoencoder: latents are the features of a frozen network. Absent in others. */
    frozenEncoder: normalizationSchema.optional(),
    /** Present in a VQ-VAE: latents are rounded to the nearest code. Absent in a KL autoencoder. */
    codebook: codebookSchema.optional(),
  })
  .superRefine((config, context) => {
    const { channels, groups, latentChannels, quantConv, postQuantConv } = config
    if (config.codebook && config.frozenEncoder)
      context.addIssue({
        code: 'custom',
        path: ['codebook'],
        message: 'expected none beside frozenEncoder, whose features are the latents',
      })
    if (latentChannelsOf(config) !== latentChannels && !(quantConv && postQuantConv))
      context.addIssue({
        code: 'custom',
        path: ['codebook', 'channels'],
        message: `expected latentChannels (${latentChannels}), unless quantConv and postQuantConv stand between the two`,
      })
    channels.forEach((width, level) => {
      if (width % groups !== 0)
        context.addIssue({
          code: 'custom',
          path: ['channels', level],
          message: `expected a multiple of groups (${groups})`,
        })
    })
  })

/** Sizes of an autoencoder, defaults filled in. @useDeclaredType */
export type AutoencoderConfig = z.output<typeof autoencoderConfigSchema>
/** Sizes of an autoencoder as a caller gives them. @useDeclaredType */
export type AutoencoderOptions = z.input<typeof autoencoderConfigSchema>

/** Pixels for each position of a latent, along each side: every level but the first halves the image. */
export const downscaleOf = ({ channels }: Pick<AutoencoderConfig, 'channels'>): number =>
  2 ** (channels.length - 1)

/** Values of one position of a latent, as what stands behind the autoencoder reads it: of a VQ-VAE those of a code. */
export const latentChannelsOf = (config: Pick<AutoencoderConfig, 'codebook' | 'latentChannels'>): number =>
  config.codebook?.channels ?? config.latentChannels
