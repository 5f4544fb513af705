import { z } from 'zod'

const side = z.int().min(1).max(16_384)
const byte = z.int().min(0).max(255)

/** How an image file becomes what a model reads. Defaults: the paper's (section 4.1), and where it is silent, ours. */
export const imagePreparationSchema = z.strictObject({
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
  /** Red, green and blue of what lies behind transparency and beside a contained image; grayscale takes its luminance. */
  background: z.tuple([byte, byte, byte]).readonly().default([255, 255, 255]),
  /** Whether photos are turned upright as their EXIF orientation says. */
  autoOrient: z.boolean().default(true),
})

const { width, height, channels, resize, background, autoOrient } = imagePreparationSchema.shape

/** As written by a user: what is left out stays so, for a model to decide. */
export const imagePreparationOptionsSchema = z.strictObject({
  /** Pixels; default: what the model draws. */
  width: width.unwrap().optional(),
  /** Pixels; default: what the model draws. */
  height: height.unwrap().optional(),
  /** 1: grayscale, 3: RGB. */
  channels: channels.unwrap().optional(),
  /** Cut to fill the size, or fitted into it. */
  resize: resize.unwrap().optional(),
  /** Red, green and blue behind transparency and beside a contained image. */
  background: background.unwrap().optional(),
  /** Whether photos are turned upright as their EXIF orientation says. */
  autoOrient: autoOrient.unwrap().optional(),
})
/** As written by a user: what is left out stays so, for a model to decide. @useDeclaredType */
export type ImagePreparationOptions = z.input<typeof imagePreparationOptionsSchema>
/** How image files become what a model reads, defaults filled in. @useDeclaredType */
export type ImagePreparation = z.output<typeof imagePreparationSchema>
