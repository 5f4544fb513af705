import type { Sharp } from 'sharp'
import { parseConfig } from '../config/parse.js'
import { writeAtomically } from '../files/atomic_file.js'
import type { Image } from './image.js'
import { openImage, reasonOf, UnreadableImage } from './image_decoder.js'
import {
  type ImagePreprocessing,
  type ImagePreprocessingOptions,
  imagePreprocessingSchema,
} from './image_preprocessing.js'
import { checkPixels, type ImageSource, openImageSource } from './image_source.js'
import { loadSharp } from './load_sharp.js'

/**
 * Decodes an image (PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG, by its content; the first frame of an animation, the first page
 * of a TIFF) to exactly what `preprocessing` says. The filter is Lanczos' (a = 3), after a JPEG's own decoding to 1/2, 1/4 or
 * 1/8 where that is still large enough. ICC profiles are applied; CMYK and other colour spaces are brought to sRGB, 16 bits
 * to 8. A damaged file is read where browsers read it with a warning, and refused where it is cut short.
 * @throws TypeError that says what is accepted, where the source is nothing of the kind
 * @throws Error that names the file, where it is no image that is read, is cut short or has more pixels than `maxPixels`
 */
export async function readImage(
  source: ImageSource,
  preprocessing: ImagePreprocessingOptions,
): Promise<Image> {
  const settings = parseConfig(imagePreprocessingSchema, preprocessing, 'image preprocessing')
  const opened = openImageSource(source)
  let bytes: Buffer | undefined
  try {
    if (opened.kind === 'pixels') {
      const { data, ...raw } = checkPixels(opened.pixels)
      const sharp = await loadSharp()
      return await prepared(
        sharp(data, { raw, limitInputPixels: false }).pipelineColourspace('srgb'),
        settings,
      )
    }
    bytes = await opened.read()
    return await readFileBytes(bytes, settings)
  } catch (error) {
    throw await unreadable(opened.name, error, bytes)
  }
}

/** Above this many pixels a thread decodes one file at a time, so that memory holds no more than one of them. */
const largeImage = 2 ** 24
let largeImages: Promise<unknown> = Promise.resolve()

async function readFileBytes(bytes: Buffer, settings: ImagePreprocessing): Promise<Image> {
  const { image, metadata } = await openImage(bytes, settings)
  if (metadata.width * metadata.height <= largeImage) return prepared(image, settings)
  const turn = largeImages.then(() => prepared(image, settings))
  largeImages = turn.catch(() => {})
  return turn
}

async function prepared(
  image: Sharp,
  { width, height, channels, resize, background: [r, g, b] }: ImagePreprocessing,
): Promise<Image> {
  const { data, info } = await image
    .resize(width, height, { fit: resize, position: 'centre', background: { r, g, b } })
    .flatten({ background: { r, g, b } })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  if (info.channels !== channels)
    throw new UnreadableImage(`decoded to ${info.channels} channels, expected ${channels}`)
  return { width, height, channels, data: new Uint8Array(data.buffer, data.byteOffset, data.length) }
}

/** What `readImage` and its like throw: of a wrong type a TypeError, of all else an Error that names the file. */
async function unreadable(name: string, error: unknown, bytes?: Buffer): Promise<Error> {
  const Class = error instanceof TypeError ? TypeError : Error
  return new Class(`${name}: cannot be read as an image (${await reasonOf(error, bytes)})`, { cause: error })
}

/**
 * The bytes of a PNG file. Throws a TypeError where the image's data are no bytes, and a RangeError where they are not as
 * many as its size says.
 */
export async function encodePng(image: Image): Promise<Buffer> {
  const { data, ...raw } = checkPixels(image)
  const sharp = await loadSharp()
  return sharp(data, { raw, limitInputPixels: false }).png().toBuffer()
}

/** Writes a PNG file, whole or not at all. */
export async function writePng(path: string, image: Image): Promise<void> {
  await writeAtomically(path, await encodePng(image))
}

/** Writes images, one below the other on white, as one PNG file, whole or not at all. */
export async function stackPngs(paths: readonly string[], target: string): Promise<void> {
  const sharp = await loadSharp()
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
    const { image, metadata } = await openImage(bytes)
    if (bytes.length > largest) {
      const { data, info } = await image
        .resize({ width, withoutEnlargement: true })
        .webp({ quality: 82 })
        .toBuffer({ resolveWithObject: true })
      return { bytes: data, type: info.format, width: info.width, height: info.height }
    }
    const { format, width: ownWidth, height } = metadata
    // Decodes all of it: a file that is cut short is found.
    await image.stats()
    return { bytes, type: format, width: ownWidth, height }
  } catch (error) {
    throw await unreadable(name, error, bytes)
  }
}
