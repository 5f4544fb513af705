import sharp from 'sharp'
import { writeAtomically } from './atomic_file.js'
import type { Image } from './document.js'

/** The size of images that a model takes; `channels` 1 is grayscale, 3 is RGB. */
export type ImageSize = Pick<Image, 'width' | 'height' | 'channels'>

/**
 * Decodes an image file (PNG, JPEG, WebP, ...) to exactly `size`: turned upright where the file says how, scaled
 * until it covers the size, centre-cropped (the paper, section 4.1), transparency laid on white.
 * @throws Error that names the file
 */
export async function readImage(path: string, size: ImageSize): Promise<Image> {
  const { width, height, channels } = size
  try {
    const { data, info } = await sharp(path)
      .autoOrient()
      .resize(width, height, { fit: 'cover', position: 'centre' })
      .flatten({ background: 'white' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    if (info.channels !== channels)
      throw new Error(`decoded to ${info.channels} channels, expected ${channels}`)
    return { width, height, channels, data: new Uint8Array(data.buffer, data.byteOffset, data.length) }
  } catch (error) {
    throw new Error(`${path}: cannot be read as an image (${(error as Error).message})`, { cause: error })
  }
}

export async function encodePng(image: Image): Promise<Buffer> {
  const { width, height, channels, data } = image
  if (data.length !== width * height * channels) {
    throw new RangeError(
      `[encodePng] a ${width}x${height} image of ${channels} channels has ${width * height * channels} bytes; ` +
        `received ${data.length}`,
    )
  }
  return sharp(data, { raw: { width, height, channels } }).png().toBuffer()
}

/** Writes a PNG file, whole or not at all. */
export async function writePng(path: string, image: Image): Promise<void> {
  const png = await encodePng(image)
  await writeAtomically(path, async (file) => {
    await file.writeFile(png)
  })
}
