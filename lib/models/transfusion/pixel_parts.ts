import type { Image } from '../../data/document.js'
import { bytesToFloats } from '../../data/pixels.js'
import type { ImagePart, SpecialTokens } from '../../sequence/document.js'
import { patchGrid } from '../../sequence/layout.js'
import type { TransfusionConfig } from './config.js'

/** An image part that carries its pixels. */
export interface PixelPart extends ImagePart {
  readonly image: Image
}

/**
 * An image as a part of a document. Throws a RangeError, which begins with `what`, when it has other channels than
 * the model reads or is not cut evenly into patches.
 */
export function imagePart(image: Image, config: TransfusionConfig, what: string): PixelPart {
  const { channels, patch } = config.image
  if (image.channels !== channels)
    throw new RangeError(`${what}: an image of ${image.channels} channels, the model reads ${channels}`)
  patchGrid(image, patch)
  return { type: 'image', height: image.height, width: image.width, image }
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

/** The ids that frame documents and images, as the model's config has them. */
export const specialTokens = ({ tokens }: TransfusionConfig): SpecialTokens => tokens as SpecialTokens
