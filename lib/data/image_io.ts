import { stat } from 'node:fs/promises'
import sharp, { type Sharp, type SharpOptions } from 'sharp'
import { checkArguments } from '../arguments.js'
import { parseConfig } from '../config.js'
import { writeAtomically } from './atomic_file.js'
import type { Image } from './document.js'
import { type ImagePreparationOptions, imagePreparationSchema } from './image_preparation.js'

/** An image file's path, a file's bytes, or pixels. */
export type ImageSource = string | Uint8Array | Image

/**
 * Decoded pixels take memory, and a few bytes can announce any number of them. A file may have 2^20, and what PNG could
 * at best hold: Deflate makes 1,032 bytes of one, each of eight pixels.
 */
const pixelLimit = (bytes: number) => Math.min(LARGEST_INPUT, 2 ** 20 + 8 * 1032 * bytes)
const LARGEST_INPUT = 2 ** 28

/**
 * Decodes an image (PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG; the first frame of an animation) to exactly what
 * `preparation` says. The filter is Lanczos' (a = 3), after a JPEG's own decoding to 1/2, 1/4 or 1/8 where that is still
 * large enough. CMYK and other colour spaces are brought to sRGB, 16 bits to 8.
 * @throws Error that names the file, where it is no image, is cut short or has more pixels than 2^28 or than its size can justify
 */
export async function readImage(source: ImageSource, preparation: ImagePreparationOptions): Promise<Image> {
  const { width, height, channels, resize, background, autoOrient } = parseConfig(
    imagePreparationSchema,
    preparation,
    'image preparation',
  )
  const [r, g, b] = background
  try {
    const image = await openSource(source, autoOrient)
    const { data, info } = await image
      .resize(width, height, { fit: resize, position: 'centre', background: { r, g, b } })
      .flatten({ background: { r, g, b } })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    if (info.channels !== channels)
      throw new Error(`decoded to ${info.channels} channels, expected ${channels}`)
    return { width, height, channels, data: new Uint8Array(data.buffer, data.byteOffset, data.length) }
  } catch (error) {
    throw new Error(`${nameOf(source)}: cannot be read as an image (${reasonOf(error)})`, { cause: error })
  }
}

async function openSource(source: ImageSource, autoOrient: boolean): Promise<Sharp> {
  if (isPixels(source)) return openPixels(source, { autoOrient })
  const bytes = typeof source === 'string' ? (await stat(source)).size : source.length
  return sharp(source, { limitInputPixels: pixelLimit(bytes), autoOrient })
}

function openPixels(image: Image, options: SharpOptions = {}): Sharp {
  checkArguments('encodePng', { image: [image, 'image'] })
  const { width, height, channels, data } = image
  if (data.length !== width * height * channels) {
    throw new RangeError(
      `a ${width}x${height} image of ${channels} channels has ${width * height * channels} bytes; ` +
        `received ${data.length}`,
    )
  }
  return sharp(data, { ...options, raw: { width, height, channels } })
}

const isPixels = (source: ImageSource): source is Image =>
  typeof source === 'object' && !(source instanceof Uint8Array)

function nameOf(source: ImageSource): string {
  if (typeof source === 'string') return source
  return isPixels(source) ? 'pixels' : `${source.length} bytes`
}

function reasonOf(error: unknown): string {
  const { message } = error as Error
  if (message.includes('exceeds pixel limit'))
    return 'it has more pixels than 2^28, or than a file of its size can hold'
  // What a decoder warns of first is not always what it says.
  return /failOn setting|read error|premature end/.test(message) ? 'it is damaged or cut short' : message
}

/** The bytes of a PNG file. Throws a RangeError where the image's data are not as long as its size says. */
export async function encodePng(image: Image): Promise<Buffer> {
  return openPixels(image).png().toBuffer()
}

/** Writes a PNG file, whole or not at all. */
export async function writePng(path: string, image: Image): Promise<void> {
  await writeAtomically(path, await encodePng(image))
}

/** Writes images, one below the other on white, as one PNG file, whole or not at all. */
export async function stackPngs(paths: readonly string[], target: string): Promise<void> {
  const parts = await Promise.all(paths.map(async (input) => ({ input, ...(await sharp(input).metadata()) })))
  const width = Math.max(...parts.map((part) => part.width))
  let height = 0
  const placed = parts.map((part) => {
    const top = height
    height += part.height
    return { input: part.input, left: 0, top }
  })
  const paper = sharp({ create: { width, height, channels: 3, background: 'white' } })
  await writeAtomically(target, await paper.composite(placed).png().toBuffer())
}

/**
 * An image file's bytes for showing: as they are where there are no more than `largest` of them, otherwise as WebP,
 * scaled down to `width` pixels where it is wider. Rejects with an Error that begins with `name` where they are no whole
 * image.
 */
export async function compressImage(
  bytes: Buffer,
  name: string,
  { largest, width }: { largest: number; width: number },
): Promise<{ bytes: Buffer; type: string; width: number; height: number }> {
  try {
    const image = sharp(bytes, { limitInputPixels: pixelLimit(bytes.length) })
    if (bytes.length > largest) {
      const { data, info } = await image
        .resize({ width, withoutEnlargement: true })
        .webp({ quality: 82 })
        .toBuffer({ resolveWithObject: true })
      return { bytes: data, type: info.format, width: info.width, height: info.height }
    }
    const { format, width: ownWidth, height } = await image.metadata()
    // Decodes all of it: a file that is cut short is found.
    await image.stats()
    return { bytes, type: format, width: ownWidth, height }
  } catch (error) {
    throw new Error(`${name}: cannot be read as an image (${reasonOf(error)})`, { cause: error })
  }
}
