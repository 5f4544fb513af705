import { z } from 'zod'

const side = z.int().min(1).max(16_384)
const byte = z.int().min(0).max(255)

/** Pixels of the largest image file that is decoded where nothing else is said: 16,384 x 16,384, about sharp's own limit. */
export const largestImage = 2 ** 28

/** How an image file becomes what a model reads. Defaults: the paper's (section 4.1), and where it is silent, ours. */
export const imagePreprocessingSchema = z.strictObject({
  /** The result's size in pixels. */
  width: side.default(256),
  /** See width. */
  height: side.default(256),
  /** 1: grayscale, 3: RGB. */
  channels: z.union([z.literal(1), z.literal(3)]).default(3),
  /**
   * 'cover': scaled until it covers the size, then cut to its centre (the paper). 'contain': scaled until it fits, the
   * rest is background.
   */
  resize: z.enum(['cover', 'contain']).default('cover'),
  /**
   * Red, green and blue of what lies behind transparency and beside a contained image: the same colour on files of every
   * kind. Grayscale takes its luminance as it takes an image's: of linear light, 0.2126 R + 0.7152 G + 0.0722 B (Rec. 709),
   * encoded as sRGB again, so that red is 127.
   */
  background: z.tuple([byte, byte, byte]).readonly().default([255, 255, 255]),
  /** Whether photos are turned upright as their EXIF orientation says. */
  autoOrient: z.boolean().default(true),
  /**
   * The most pixels that a file may have, whatever its size in bytes; by default 2^28. Decoding takes up to 5 bytes for each
   * of them, 8 in an interlaced PNG of 16 bits: 1.3 to 2 GB at the limit.
   */
  maxPixels: z.int().min(1).optional(),
})

const { width, height, channels, resize, background, autoOrient, maxPixels } = imagePreprocessingSchema.shape

/** As written by a user: what is left out stays so, for a model to decide. */
export const imagePreprocessingOptionsSchema = z.strictObject({
  /** Pixels; default: the size that the model generates. */
  width: width.unwrap().optional(),
  /** Pixels; default: the size that the model generates. */
  height: height.unwrap().optional(),
  /** 1: grayscale, 3: RGB. */
  channels: channels.unwrap().optional(),
  /** Cut to fill the size, or fitted into it. */
  resize: resize.unwrap().optional(),
  /** Red, green and blue behind transparency and beside a contained image. */
  background: background.unwrap().optional(),
  /** Whether photos are turned upright as their EXIF orientation says. */
  autoOrient: autoOrient.unwrap().optional(),
  /** The most pixels that a file may have; by default 2^28. */
  maxPixels,
})
/** As written by a user: what is left out stays so, for a model to decide. @useDeclaredType */
export type ImagePreprocessingOptions = z.input<typeof imagePreprocessingOptionsSchema>
/** How image files become what a model reads, defaults filled in. @useDeclaredType */
export type ImagePreprocessing = z.output<typeof imagePreprocessingSchema>
