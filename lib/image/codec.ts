import { z } from 'zod'
import type { EncodedImage, Image, ImageSize } from './image.js'
import { latentCalibrationSchema } from './latent_calibration.js'
import { bytesToFloats, imageFromFloats } from './pixels.js'

/** How a model's folder records its codec. */
export const imageCodecConfigSchema = z.discriminatedUnion('type', [
  z.strictObject({
    /** pixels: the bytes of an image as floats from -1 to 1. */
    type: z.literal('pixels'),
  }),
  z.strictObject({
    /** codes: those of a VQ-VAE, which lies in the folder `autoencoder` of the model's. */
    type: z.literal('codes'),
    /** Of its files. */
    checksums: z.record(z.string(), z.string()),
  }),
  z.strictObject({
    /** autoencoder: the latents of a network, which lies in the folder `autoencoder` of the model's. */
    type: z.literal('autoencoder'),
    /** Of its files. */
    checksums: z.record(z.string(), z.string()),
    /** What was measured of its latents; absent where nothing was. */
    calibration: latentCalibrationSchema.optional(),
  }),
])
/** How a model's folder records its codec. @useDeclaredType */
export type ImageCodecConfig = z.output<typeof imageCodecConfigSchema>

/** Of the values of an image, as the model reads them. */
export type ValueRange = readonly [least: number, greatest: number]

/** What of a codec says which images it reads, and how large their values are. */
export interface CodecSizes {
  /** Channels of the images: 1 is grayscale, 3 is RGB. */
  readonly imageChannels: Image['channels']
  /** C, the values of one position. */
  readonly channels: number
  /** Pixels for each position along each side of an image: 1 for pixels, 8 for the paper's autoencoder. */
  readonly downscale: number
  /** K, where the value of a position is a code, 0 .. K - 1; absent where values are numbers of any size. */
  readonly codes?: number | undefined
}

/**
 * What stands between images and a model: it makes of an image the values that the model reads, and of values that the
 * model generates an image. S: positions of all images in a row; C: `channels`. An autoencoder computes with a network, so
 * both functions may answer with a promise.
 */
export interface ImageCodec extends CodecSizes {
  /** What the model's folder records. */
  readonly config: ImageCodecConfig
  /** The range of the values, to which an estimate of a clean image may be clipped; absent where they are unbounded. */
  readonly range?: ValueRange | undefined
  /** Images, whose sides are multiples of `downscale`, to their values `[S, C]`. */
  encode(images: readonly Image[]): Float32Array | Promise<Float32Array>
  /** Values `[S, C]` to the images, whose sizes in positions these are. */
  decode(values: Float32Array, sizes: readonly ImageSize[]): Image[] | Promise<Image[]>
  /**
   * Values `[S, C]` to images roughly like those of `decode`, at once and without the network, for previews; absent where there
   * is no such way, or none that is cheaper.
   */
  readonly preview?: ((values: Float32Array, sizes: readonly ImageSize[]) => Image[]) | undefined
  /** Latents `[..., C]` as an autoencoder gives them, which shards hold, to its values; absent where it has no latents. */
  scaleLatents?(latents: Float32Array): Float32Array
  /** Writes the files that `config` tells of into a model's folder; absent where there are none. */
  saveInto?(folder: string): Promise<void>
  /** Frees what it holds; absent where that is nothing. */
  [Symbol.dispose]?(): void
}

/** The codec of models that read pixels as they are: bytes 0..255 to floats -1..1 and back, rounded to nearest. */
export function pixelCodec(channels: Image['channels']): ImageCodec {
  return {
    config: { type: 'pixels' },
    imageChannels: channels,
    channels,
    downscale: 1,
    range: [-1, 1],
    encode(images) {
      const values = new Float32Array(images.reduce((total, { data }) => total + data.length, 0))
      let offset = 0
      for (const { data } of images) {
        bytesToFloats(data, values.subarray(offset, offset + data.length))
        offset += data.length
      }
      return values
    },
    decode: (values, sizes) =>
      splitValues(values, sizes, channels).map(({ height, width, values }) =>
        imageFromFloats(values, { height, width, channels }),
      ),
  }
}

/**
 * The codec that a model with `channels` values per position has where its folder records none: pixels for the channels of
 * an image, and none for others, which are those of a latent, or for codes.
 */
export const defaultImageCodec = (channels: number, codes?: number): ImageCodec | undefined =>
  codes === undefined && (channels === 1 || channels === 3) ? pixelCodec(channels) : undefined

/** Values `[S, C]` of images in a row, one image after the other, without copies. Throws a RangeError for another number. */
export function splitValues(
  values: Float32Array,
  sizes: readonly ImageSize[],
  channels: number,
): EncodedImage[] {
  let end = 0
  const images = sizes.map(({ height, width }) => {
    const first = end
    end += height * width * channels
    return { height, width, values: values.subarray(first, end) }
  })
  if (end !== values.length)
    throw new RangeError(
      `splitValues: values must be ${end}, as the sizes say, received ${values.length} of ${channels} channels`,
    )
  return images
}

/** The values `[S, C]` of images in a row. */
export function joinValues(images: readonly EncodedImage[]): Float32Array {
  if (images.length === 1) return images[0]!.values
  const joined = new Float32Array(images.reduce((total, { values }) => total + values.length, 0))
  let offset = 0
  for (const { values } of images) {
    joined.set(values, offset)
    offset += values.length
  }
  return joined
}
