import { gitLfsPointer } from '../files/file_formats.js'
import { fileTypeOf } from './file_type.js'

const damaged = 'that is damaged or cut short'
/** Formats that are read: what sharp could not decode of one is damaged, or a part of the format that is rare. */
const readFormats: Record<string, string> = {
  png: `a PNG image ${damaged}`,
  apng: `a PNG image ${damaged}`,
  jpg: `a JPEG image ${damaged}`,
  webp: `a WebP image ${damaged}`,
  gif: `a GIF image ${damaged}`,
  tif: `a TIFF image that is damaged, cut short or of a rare kind`,
  avif: `an AVIF image that is damaged, cut short or of a rare kind`,
}

/** Formats that are not read, where the ending says less than the name. */
const names: Record<string, string> = {
  heic: 'a HEIC',
  heif: 'a HEIF',
  jxl: 'a JPEG XL',
  jp2: 'a JPEG 2000',
  jpx: 'a JPEG 2000',
  jpm: 'a JPEG 2000',
  psd: 'a Photoshop (PSD)',
  ico: 'an icon (ICO)',
  icns: 'an icon (ICNS)',
  xcf: 'a GIMP (XCF)',
  cr2: 'a Canon raw (CR2)',
  cr3: 'a Canon raw (CR3)',
  nef: 'a Nikon raw (NEF)',
  arw: 'a Sony raw (ARW)',
  dng: 'a raw (DNG)',
  orf: 'an Olympus raw (ORF)',
  rw2: 'a Panasonic raw (RW2)',
  raf: 'a Fujifilm raw (RAF)',
}

/** Beginnings that file-type does not know. */
const beginnings: readonly [begin: RegExp, words: string][] = [
  [new RegExp(`^${gitLfsPointer.begin}`), gitLfsPointer.what],
  [/^<(!doctype html|html)/i, 'is an HTML page, such as servers send where a file is missing'],
  [/^(<\?xml[^]*)?<svg/i, `is an SVG image ${damaged}`],
  [/^[[{]/, 'is JSON text'],
  [/^P[1-7]\s/, 'is a Netpbm (PBM, PGM, PPM) image, which is not read; convert it to PNG'],
]

/** What a file is that could not be read as an image: 'it is a BMP image, which is not read; convert it to PNG'. */
export async function wordsOfFile(bytes: Buffer): Promise<string> {
  if (bytes.length === 0) return 'it is empty'
  if (bytes.every((byte) => byte === 0)) return 'it is nothing but zeros'
  const { ext, mime } = (await fileTypeOf(bytes)) ?? { ext: tiffEnding(bytes), mime: 'image/tiff' }
  if (ext === undefined || mime === 'application/xml') return wordsOfBeginning(bytes)
  if (ext in readFormats) return `it is ${readFormats[ext]}`
  if (mime.startsWith('image/'))
    return `it is ${names[ext] ?? `a ${ext.toUpperCase()}`} image, which is not read; convert it to PNG`
  return `it is a file of the type ${mime}, no image`
}

/** file-type finds none where the file ends before the TIFF's directory, as one that is cut short does. */
const tiffEnding = (bytes: Buffer) =>
  ['II*\0', 'MM\0*'].includes(bytes.toString('latin1', 0, 4)) ? 'tif' : undefined

function wordsOfBeginning(bytes: Buffer): string {
  const beginning = bytes.toString('utf8', 0, 1000).replace('\ufeff', '').trimStart()
  const known = beginnings.find(([begin]) => begin.test(beginning))
  return known ? `it ${known[1]}` : 'it does not begin as PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG do'
}
