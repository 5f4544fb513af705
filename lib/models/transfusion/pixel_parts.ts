import { checkArguments } from '../../arguments.js'
import { parseConfig } from '../../config/parse.js'
import type { Image } from '../../image/image.js'
import {
  type ImagePreparation,
  type ImagePreparationOptions,
  imagePreparationSchema,
} from '../../image/image_preparation.js'
import { pixelValues } from '../../image/image_source.js'
import { bytesToFloats } from '../../image/pixels.js'
import { describe } from '../../describe.js'
import type { ImagePart, SpecialTokens } from '../../sequence/document.js'
import { patchGrid } from '../../sequence/layout.js'
import type { PackingOptions } from '../../sequence/packing.js'
import type { TransfusionConfig } from './config.js'

/** An image part that carries its pixels. */
export interface PixelPart extends ImagePart {
  /** Of the part's size. */
  readonly image: Image
}

/**
 * An image as a part of a document. Throws a RangeError, which begins with `what`, when it has other channels than
 * the model reads, is not cut evenly into patches, or has more or fewer values than pixels, and a TypeError when its data are
 * no bytes. Of what has no `channels`, such as a canvas's ImageData, the number of values tells them.
 */
export function imagePart(
  image: Image,
  config: { readonly image: Pick<TransfusionConfig['image'], 'channels' | 'patch'> },
  what: string,
): PixelPart {
  checkArguments(what ?? 'imagePart', { image: [image, 'image'], config: [config, 'config'] })
  const { channels, patch } = config.image
  const { width, height } = image
  const data = pixelValues(image.data)
  if (!data)
    throw new TypeError(
      `${what}: an image's data must be a Uint8Array, values 0..255; received ${describe(image.data)}`,
    )
  const own = (image.channels as number | undefined) ?? data.length / (width * height)
  if (own !== channels)
    throw new RangeError(
      `${what}: an image of ${describe(own)} channels, the model reads ${channels}; readImage converts it`,
    )
  patchGrid(image, patch)
  const values = width * height * channels
  if (data.length !== values)
    throw new RangeError(
      `${what}: ${data.length} values for ${width} x ${height} pixels of ${channels} channels, expected ${values}`,
    )
  const whole = image.channels && data === image.data ? image : { width, height, channels: own, data }
  return { type: 'image', height, width, image: whole as Image }
}

/**
 * How image files become what a model reads: the size that it draws, unless `options` say otherwise. Throws a
 * ConfigError, which begins with `what`, that names what the model cannot read.
 */
export function imagePreparationOf(
  { image }: { readonly image: Pick<TransfusionConfig['image'], 'width' | 'height' | 'channels' | 'patch'> },
  options: ImagePreparationOptions = {},
  what = 'image preparation',
): ImagePreparation {
  const { width, height, channels, patch } = image
  const pixels = channels === 1 ? 1 : 3
  const schema = imagePreparationSchema.superRefine((preparation, context) => {
    const problem = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (preparation.channels !== pixels) problem('channels', `expected ${pixels}, as the model's images have`)
    for (const side of ['width', 'height'] as const)
      if (preparation[side] % patch !== 0)
        problem(side, `expected a multiple of the model's patch size (${patch})`)
  })
  return parseConfig(schema, { width, height, channels: pixels, ...options }, what)
}

/** The pixels [S, channels] of images in a row, as floats -1..1. */
export function pixelsOf(images: readonly PixelPart[]): Float32Array {
  const pixels = new Float32Array(images.reduce((total, { image }) => total + image.data.length, 0))
  let offset = 0
  for (const { image } of images) {
    bytesToFloats(image.data, pixels.subarray(offset, offset + image.data.length))
    offset += image.data.length
  }
  return pixels
}

/** How documents are laid out for a model. */
export const packingOf = (config: {
  readonly tokens: SpecialTokens
  readonly image: Pick<TransfusionConfig['image'], 'patch' | 'attention'>
}): PackingOptions => ({
  patch: config.image.patch,
  causalImages: config.image.attention === 'causal',
  tokens: config.tokens,
})
