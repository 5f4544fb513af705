import { parseConfig } from '../config/parse.js'
import { type CodecSizes, defaultImageCodec, type ImageCodec } from '../image/codec.js'
import {
  type ImagePreprocessing,
  type ImagePreprocessingOptions,
  imagePreprocessingSchema,
} from '../image/image_preprocessing.js'

/** What of a model says which images it reads and generates. */
export interface ImageReader {
  /** Sizes in positions: pixels of what the model reads, which are positions of a latent where it has an autoencoder. */
  readonly network: {
    readonly config: {
      readonly image: {
        /** Values of each position. */
        readonly channels: number
        /** Side of a patch. */
        readonly patch: number
        /** Number of codes; absent where images are no tokens. */
        readonly codes?: number | undefined
        /** Of an image that the model generates. */
        readonly height: number
        /** Of an image that the model generates. */
        readonly width: number
      }
    }
  }
  /** Of the codec that encodes images for it; absent: the default for its channels, see {@link defaultImageCodec}. */
  readonly codec?: CodecSizes | undefined
}

/** What of a model says how it reads and generates images. */
export interface ImageModel extends ImageReader {
  /** Encodes images for the model; absent: the default for its channels, see {@link defaultImageCodec}. */
  readonly codec?: ImageCodec | undefined
}

/** The codec of a model, or its sizes alone; undefined where it reads latents or codes and has no autoencoder. */
export const codecOf = <Codec extends CodecSizes = ImageCodec>({
  codec,
  network: { config },
}: ImageReader & { readonly codec?: Codec | undefined }): Codec | ImageCodec | undefined =>
  codec ?? defaultImageCodec(config.image.channels, config.image.codes)

/** The codec of a model. Throws an Error, which begins with `what`, where it has none. */
export function requireCodec(model: ImageModel, what: string): ImageCodec {
  const codec = codecOf(model)
  if (!codec) throw noCodec(model, what)
  return codec
}

/** How image files become what a model reads. Throws an Error, which begins with `what`, where it has no codec. */
export function requireImagePreprocessing(
  model: ImageReader & { readonly imagePreprocessing?: ImagePreprocessingOptions | undefined },
  what: string,
): ImagePreprocessing {
  const preprocessing = imagePreprocessingOf(model, model.imagePreprocessing, what)
  if (!preprocessing) throw noCodec(model, what)
  return preprocessing
}

function noCodec(model: ImageReader, what: string): Error {
  const { channels, codes } = model.network.config.image
  const read =
    codes === undefined ? `${channels} values per position (image.channels)` : 'codes (image.codes)'
  return new Error(
    `${what}: the model reads ${read} and has no autoencoder, so it neither reads ` +
      'nor makes pixels; an image must be its values, { height, width, values: Float32Array }',
  )
}

/**
 * How image files become what a model reads: the size that it generates, unless `options` say otherwise; undefined where the
 * model has no codec. Throws a ConfigError, which begins with `what`, that names what the model cannot read.
 */
export function imagePreprocessingOf(
  model: ImageReader,
  options: ImagePreprocessingOptions = {},
  what = 'image preprocessing',
): ImagePreprocessing | undefined {
  const codec = codecOf(model)
  if (!codec) return undefined
  const { imageChannels: channels, downscale } = codec
  const { width, height, patch } = model.network.config.image
  const multiple = patch * downscale
  const schema = imagePreprocessingSchema.superRefine((preprocessing, context) => {
    const problem = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (preprocessing.channels !== channels)
      problem('channels', `expected ${channels}, as the model's images have`)
    for (const side of ['width', 'height'] as const)
      if (preprocessing[side] % multiple !== 0)
        problem(side, `expected a multiple of the model's patch size (${multiple})`)
  })
  const size = { width: width * downscale, height: height * downscale }
  return parseConfig(schema, { ...size, channels, ...options }, what)
}
