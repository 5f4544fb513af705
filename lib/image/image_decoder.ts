/** What stands between an image file's bytes and sharp: what is read, how far damage is forgiven, and what errors say. */
import type { Metadata, Sharp, SharpOptions } from 'sharp'
import { loadSharp } from './load_sharp.js'
import { fileTypeOf } from './file_type.js'
import { largestImage } from './image_preprocessing.js'
import { wordsOfFile } from './unread_file.js'

/** A file that sharp has opened. */
export interface OpenedImage {
  /** To be resized and read. In sRGB, or in a space that sharp itself brings there first. */
  readonly image: Sharp
  /** What its header says. */
  readonly metadata: Metadata
}

/** Why an image is not read, in words for a user. */
export class UnreadableImage extends Error {}

/**
 * Opens an image file's bytes. Rejects with an `UnreadableImage` where they are of a kind that is not read, or more pixels
 * than `maxPixels`.
 */
export async function openImage(
  bytes: Buffer,
  { autoOrient = false, maxPixels = largestImage }: { autoOrient?: boolean; maxPixels?: number } = {},
): Promise<OpenedImage> {
  const options: SharpOptions = {
    autoOrient,
    // The limit is checked here, where the error can say how many there are.
    limitInputPixels: false,
    // 'error' reads what browsers and Pillow read with a warning, and nothing that is cut short. Only libvips' reader of GIF
    // calls damage inside a frame a warning.
    failOn: bytes.toString('latin1', 0, 4) === 'GIF8' ? 'warning' : 'error',
  }
  const sharp = await loadSharp()
  const image = sharp(bytes, options)
  const metadata = await image.metadata()
  const { width, height, format, space, depth, icc } = metadata
  if ((await isRaw(bytes, metadata)) || (format === 'heif' && metadata.compression !== 'av1'))
    throw new UnreadableImage(await wordsOfFile(bytes))
  if (width * height > maxPixels)
    throw new UnreadableImage(
      `it has ${width} x ${height} = ${width * height} pixels, more than the ${maxPixels} of the image preprocessing's maxPixels`,
    )
  if (width * height > 2 ** 20 + (mostPerByte[format!] ?? Infinity) * bytes.length)
    throw new UnreadableImage(await wordsOfFile(bytes))
  if (depth === 'float' && space !== 'scrgb') return { image: await floatSamples(image, space), metadata }
  if (depth !== 'uchar' && depth !== 'ushort' && depth !== 'float')
    throw new UnreadableImage(
      `its samples are of the type ${depth}; integers of 8 and 16 bits without sign and floats are read`,
    )
  const profile = icc?.toString('latin1', 16, 20)
  if (space === 'cmyk')
    return { image: profile === 'CMYK' ? image : sharp(bytes, { ...options, ignoreIcc: true }), metadata }
  const first = format === 'svg' && !hasSize(bytes) ? 'srgb' : firstSpace(space, profile)
  return { image: first ? image.pipelineColourspace(first) : image, metadata }
}

/**
 * Pixels that a byte can hold at best: Deflate makes 1,032 bytes of one, each of eight pixels, and Huffman's and LZW's codes are
 * longer. A header that announces more belongs to no whole file, and would take memory before that shows. WebP, AVIF and fax
 * codes have no such bound.
 */
const mostPerByte: Partial<Record<string, number>> = { png: 8 * 1032, jpeg: 8 * 1032, gif: 8 * 1032 }

/**
 * Whether a TIFF is a camera's raw file, of which a TIFF reader would find the small preview. (A tag that file-type takes for
 * Sony's is in prints of other programs too; a raw picture is in a directory below the first.)
 */
async function isRaw(bytes: Buffer, { format, subifds = 0 }: Metadata): Promise<boolean> {
  if (format !== 'tiff') return false
  const ending = (await fileTypeOf(bytes))?.ext
  return ending === 'cr2' || ending === 'nef' || (subifds > 0 && ending !== undefined && ending !== 'tif')
}

/** Of a drawing without a size libvips scales the sheet alone; brought to a space first, it is drawn as large as it is. */
const hasSize = (svg: Buffer) => /<svg[^>]*\s(viewBox|width|height)\s*=/.test(svg.toString('latin1'))

/**
 * The space that an image must be brought to first, so that a background's red, green and blue mean a colour: sharp lays
 * backgrounds on images of one channel as they are. An ICC profile that fits the file's channels is applied by sharp, which
 * ends in sRGB where they have 8 bits; of 16 bits it would end in Display P3, and for gray of 16 bits it is ignored.
 */
function firstSpace(space: string, profile: string | undefined): 'srgb' | 'b-w' | undefined {
  if (space === 'srgb' || (space === 'b-w' && profile === 'GRAY')) return undefined
  return space === 'grey16' && profile === 'GRAY' ? 'b-w' : 'srgb'
}

/**
 * Gray values of floating point have no range of their own: 0 .. 1 where none is above 1, otherwise 0 .. 255 as in Pillow.
 * (Colours of floating point are linear light, scRGB, which sharp converts.)
 */
async function floatSamples(image: Sharp, space: string): Promise<Sharp> {
  const { data, info } = await image
    .toColourspace(space)
    .raw({ depth: 'float' })
    .toBuffer({ resolveWithObject: true })
  if (info.channels !== 1)
    throw new UnreadableImage(`its ${info.channels} channels of floating point are not read`)
  const values = new Float32Array(data.buffer, data.byteOffset, data.length / Float32Array.BYTES_PER_ELEMENT)
  const scale = values.every((value) => !(value > 1)) ? 255 : 1
  const bytes = Uint8ClampedArray.from(values, (value) => value * scale)
  const { width, height } = info
  const sharp = await loadSharp()
  return sharp(bytes, { raw: { width, height, channels: 1 }, limitInputPixels: false }).pipelineColourspace(
    'srgb',
  )
}

/** What an error of opening or decoding means, in one line: sharp's own are libvips' lines, of one file several. */
export async function reasonOf(error: unknown, bytes: Buffer | undefined): Promise<string> {
  const { message } = error as Error
  if (error instanceof UnreadableImage || bytes === undefined) return message
  if (/out of memory|exceeds? .*limit/i.test(message)) return message.split('\n')[0]!
  return wordsOfFile(bytes)
}
