/** What functions take as an image: files, their bytes and pixels, told apart whatever realm they are of. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, tagOf } from '../describe.js'

/**
 * Pixels: `{ width, height, data }`, row-major, channels last, values 0..255. A canvas's ImageData is one. `channels`: 1 is
 * grayscale, 2 that with alpha, 3 RGB, 4 RGBA; without it, as many as there are values for each pixel.
 */
export interface PixelSource {
  /** Pixels. */
  readonly width: number
  /** Pixels. */
  readonly height: number
  /** See above. */
  readonly channels?: 1 | 2 | 3 | 4
  /** `width * height * channels` values. */
  readonly data: Uint8Array | Uint8ClampedArray
}

/** An image file's path or `file:` URL, a file's bytes (a Blob or File too), or pixels. */
export type ImageSource =
  string | URL | ArrayBufferLike | Uint8Array | Uint8ClampedArray | DataView | Blob | PixelSource

/** Pixels that are known to be as many as their size says. */
export interface CheckedPixels extends PixelSource {
  readonly channels: 1 | 2 | 3 | 4
  readonly data: Uint8Array
}

/** A source with the name that errors give it. */
export type OpenedImageSource = { readonly name: string } & (
  | { readonly kind: 'file'; readonly read: () => Promise<Buffer> }
  | { readonly kind: 'pixels'; readonly pixels: unknown }
)

const accepted =
  "an image file's path or file: URL, its bytes (Buffer, Uint8Array, ArrayBuffer, Blob) or pixels { width, height, data }"

/** Tells what a source is. Throws a TypeError that says what is accepted, and for an address of the web. */
export function openImageSource(source: unknown): OpenedImageSource {
  if (typeof source === 'string') return openPath(source)
  if (typeof source !== 'object' || source === null) throw unaccepted(source)
  if (tagOf(source) === 'URL') return openPath((source as URL).href)
  const bytes = bytesOf(source)
  if (bytes) return { name: `${bytes.length} bytes`, kind: 'file', read: async () => bytes }
  if (isBlob(source)) {
    const name = 'name' in source ? String(source.name) : `${source.size} bytes`
    return { name, kind: 'file', read: async () => Buffer.from(await source.arrayBuffer()) }
  }
  if (!('width' in source && 'height' in source && 'data' in source)) throw unaccepted(source)
  return { name: 'pixels', kind: 'pixels', pixels: source }
}

/** Linux's PATH_MAX; other systems' are shorter. */
const longestPath = 4096

function openPath(path: string): OpenedImageSource {
  if (path.length > longestPath)
    throw new TypeError(
      `image: a text of ${path.length} characters is no path; base64 becomes bytes by Buffer.from(text, 'base64')`,
    )
  if (/\p{Cc}/u.test(path))
    throw new TypeError(`image: ${describe(path)} is no path: it holds control characters`)
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(path)?.[1]?.toLowerCase()
  if (scheme === 'file') return openPath(pathOfUrl(path))
  if (scheme === 'data' || scheme === 'blob' || path.startsWith(`${scheme}://`)) {
    const remedy =
      scheme === 'http' || scheme === 'https' ? 'download it first, or give its bytes' : 'give its bytes'
    throw new TypeError(
      `image: ${describe(path)} is a ${scheme}: address, and only files are read; ${remedy}`,
    )
  }
  return { name: path, kind: 'file', read: () => readFile(path) }
}

function pathOfUrl(url: string): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    const { message } = error as Error
    throw new TypeError(`image: ${describe(url)} names no file of this machine (${message})`, {
      cause: error,
    })
  }
}

const unaccepted = (source: unknown) =>
  new TypeError(`image must be ${accepted}, received ${describe(source)}`)

/** The bytes that a value is, if it is bytes. */
function bytesOf(value: object): Buffer | undefined {
  const tag = tagOf(value)
  if (tag === 'ArrayBuffer' || tag === 'SharedArrayBuffer') return Buffer.from(value as ArrayBuffer)
  if (!['Uint8Array', 'Uint8ClampedArray', 'DataView'].includes(tag)) return undefined
  const { buffer, byteOffset, byteLength } = value as DataView
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
}

const isBlob = (value: object): value is Blob => ['Blob', 'File'].includes(tagOf(value))

/**
 * Values 0..255 as a Uint8Array, without a copy; undefined where they are of another type. What a canvas gives is clamped,
 * and another realm's arrays are not this one's.
 */
export function pixelValues(data: unknown): Uint8Array | undefined {
  if (data instanceof Uint8Array) return data
  if (tagOf(data) !== 'Uint8Array' && tagOf(data) !== 'Uint8ClampedArray') return undefined
  const { buffer, byteOffset, byteLength } = data as Uint8Array
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** Throws a TypeError where the values are no bytes, and a RangeError where their number is not what the size says. */
export function checkPixels(pixels: unknown): CheckedPixels {
  const { width, height, channels, data } = (pixels ?? {}) as Partial<PixelSource>
  for (const [name, side] of Object.entries({ width, height }))
    if (!Number.isInteger(side) || side! < 1)
      throw new RangeError(`${name} must be a whole number from 1, received ${describe(side)}`)
  const values = pixelValues(data)
  if (!values) throw new TypeError(`data must be a Uint8Array, values 0..255, received ${describe(data)}`)
  const count = channels ?? values.length / (width! * height!)
  if (![1, 2, 3, 4].includes(count))
    throw new RangeError(
      channels === undefined
        ? `data must have 1 to 4 values for each of ${width} x ${height} pixels, received ${values.length}`
        : `channels must be 1 (grayscale), 2 (with alpha), 3 (RGB) or 4 (RGBA), received ${describe(channels)}`,
    )
  const expected = width! * height! * count
  if (values.length !== expected)
    throw new RangeError(
      `data must be ${expected} bytes, for ${width} x ${height} pixels of ${count} channels, received ${values.length}`,
    )
  return { width: width!, height: height!, channels: count as CheckedPixels['channels'], data: values }
}
