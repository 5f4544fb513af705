import { readFile } from 'node:fs/promises'
import { compressImage } from '../../image/image_io.js'
import { html, type Html } from './html.js'

/** An image that is part of the page. */
export interface InlineImage {
  /** A data URI. */
  source: string
  width: number
  height: number
}

const largestKept = 200_000
const largestWidth = 1600

/**
 * An image file as a part of the page: a small one as it is, a larger one as WebP of at most 1600 pixels in width.
 * Rejects with an Error that names the file where it is no whole image.
 */
export async function inlineImage(path: string): Promise<InlineImage> {
  const { bytes, type, width, height } = await compressImage(await readFile(path), path, {
    largest: largestKept,
    width: largestWidth,
  })
  return { source: `data:image/${type};base64,${bytes.toString('base64')}`, width, height }
}

/** The element of an image; `text` says what it shows. */
export const picture = ({ source, width, height }: InlineImage, text: string): Html =>
  html`<img src="${source}" width="${width}" height="${height}" alt="${text}" />`
