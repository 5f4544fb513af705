import { describe } from '../../describe.js'
import type { Image } from '../../image/image.js'
import type { ImagePart, LatentPart, TextPart } from '../document.js'
import { pixelValues } from '../../image/image_source.js'

/** A document of a data set: a caption part, then an image part; training turns some of them around. */
export interface Sample {
  /** In reading order. */
  readonly parts: readonly (TextPart | ImagePart | LatentPart)[]
  /** The image's class, an index into `classNames`; absent where the data has no classes. */
  readonly label?: number
}

/** Captioned images by index: `get(i)` is the same sample at every call. */
export interface ImageDataset {
  /** Number of samples. */
  readonly length: number
  /** Empty where the data has no classes. */
  readonly classNames: readonly string[]
  /** @throws RangeError for an index outside 0 .. length - 1 */
  get(index: number): Sample | Promise<Sample>
}

/**
 * A caption and its image as one sample, the caption first; `label` is its class, where it has one. Throws a TypeError where
 * they are no text and no image.
 */
export function captionedImage(text: string, image: Image, label?: number): Sample {
  if (typeof text !== 'string')
    throw new TypeError(`captionedImage: the caption must be a text; received ${describe(text)}`)
  if (!pixelValues((image as Image | undefined)?.data))
    throw new TypeError(
      'captionedImage: expected an image { width, height, channels, data }, as readImage makes of files; ' +
        `received ${describe(image)}`,
    )
  const parts = [{ type: 'text', text } as const, { type: 'image', image } as const]
  return label === undefined ? { parts } : { parts, label }
}

export function checkIndex(index: number, length: number, what: string): void {
  if (!Number.isInteger(index) || index < 0 || index >= length) {
    throw new RangeError(`[${what}] index must be an integer from 0 to ${length - 1}; received ${index}`)
  }
}
