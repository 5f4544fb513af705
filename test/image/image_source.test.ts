import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { Image } from '../../lib/image/image.js'
import { encodePng, readImage, writePng } from '../../lib/image/image_io.js'
import { temporaryFolder } from '../temporary_folder.js'

const values = [200, 30, 40, 0, 255, 0]
const image = { width: 2, height: 1, channels: 3, data: Uint8Array.from(values) } as const
const png = await encodePng(image)
const arrayBuffer = png.buffer.slice(png.byteOffset, png.byteOffset + png.length) as ArrayBuffer
const shared = new SharedArrayBuffer(png.length)
new Uint8Array(shared).set(png)
const padded = new Uint8Array(png.length + 20)
padded.set(png, 7)
const foreign = (code: string, globals: object = {}) =>
  runInContext(code, createContext({ ...globals })) as never

const read = async (source: unknown) => [...(await readImage(source as never, { width: 2, height: 1 })).data]
const rejection = (source: unknown) =>
  readImage(source as never, {}).then(
    () => expect.unreachable('it was read'),
    (error: Error) => error,
  )

describe('the bytes of a file', () => {
  it.each([
    ['a Buffer', png],
    ['a Uint8Array', new Uint8Array(png)],
    ['a part of one', padded.subarray(7, 7 + png.length)],
    ['a Uint8ClampedArray', new Uint8ClampedArray(png)],
    ['a DataView', new DataView(padded.buffer, 7, png.length)],
    ['an ArrayBuffer', arrayBuffer],
    ['a SharedArrayBuffer', shared],
    ['a Blob', new Blob([arrayBuffer])],
    ['a File', new File([arrayBuffer], 'a.png')],
    ['a Uint8Array of another realm', foreign('new Uint8Array(bytes)', { bytes: [...png] })],
    ['an ArrayBuffer of another realm', foreign('new Uint8Array(bytes).buffer', { bytes: [...png] })],
  ])('are read as %s', async (_, source) => {
    expect(await read(source)).toEqual(values)
  })
})

describe('a file', () => {
  it('is read by its path, its URL, and its URL as text', async () => {
    const path = join(await temporaryFolder(), 'with space ü#.png')
    await writeFile(path, png)
    const url = pathToFileURL(path)
    for (const source of [path, url, url.href]) expect(await read(source)).toEqual(values)
  })

  it('is named by its path, and by its name where it is a File', async () => {
    const missing = pathToFileURL('/none/a b.png')
    expect((await rejection(missing)).message).toMatch(
      /^\/none\/a b\.png: cannot be read as an image \(ENOENT/,
    )
    expect((await rejection(new File(['x'], 'mine.png'))).message).toMatch(/^mine\.png: cannot be read/)
  })

  it('that was written again is read again', async () => {
    const path = join(await temporaryFolder(), 'a.png')
    await writePng(path, image)
    expect(await read(path)).toEqual(values)
    await writePng(path, { ...image, data: Uint8Array.of(1, 2, 3, 4, 5, 6) })
    expect(await read(path)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it.each([
    ['file://server/cat.png', 'image: "file://server/cat.png" names no file of this machine (File URL host'],
    ['file:///%ZZ.png', 'image: "file:///%ZZ.png" names no file of this machine (URI malformed)'],
    ['a\0b.png', 'image: "a\\u0000b.png" is no path: it holds control characters'],
    ['a\n.png', 'image: "a\\n.png" is no path: it holds control characters'],
  ])('is a path that can be: %j', async (source, message) => {
    const error = await rejection(source)
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain(message)
  })

  it.each([
    ['https://a.org/cat.png', 'https:', 'download it first, or give its bytes'],
    [new URL('http://a.org/cat.png'), 'http:', 'download it first, or give its bytes'],
    ['data:image/png;base64,AAAA', 'data:', 'give its bytes'],
    ['s3://bucket/cat.png', 's3:', 'give its bytes'],
  ])('is not an address: %s', async (source, scheme, remedy) => {
    const error = await rejection(source)
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toBe(
      `image: "${String(source)}" is a ${scheme} address, and only files are read; ${remedy}`,
    )
  })
})

describe('pixels', () => {
  const rgba = [200, 30, 40, 255, 0, 255, 0, 255]

  it.each([
    ['clamped', { ...image, data: Uint8ClampedArray.from(values) }],
    ['of a canvas, RGBA', { width: 2, height: 1, data: Uint8ClampedArray.from(rgba) }],
    ['without channels', { width: 2, height: 1, data: Uint8Array.from(values) }],
    [
      'of another realm',
      foreign('({ width: 2, height: 1, channels: 3, data: new Uint8Array(v) })', { v: values }),
    ],
    [
      'whose fields are of a class',
      new (class {
        get width() {
          return 2
        }
        get height() {
          return 1
        }
        get data() {
          return Uint8ClampedArray.from(rgba)
        }
      })(),
    ],
  ])('are read %s', async (_, source) => {
    expect(await read(source)).toEqual(values)
  })

  it('lie on the background where they are transparent', async () => {
    const source = { width: 2, height: 1, data: Uint8ClampedArray.of(1, 2, 3, 0, 9, 9, 9, 255) }
    const { data } = await readImage(source, { width: 2, height: 1, background: [255, 0, 0] })
    expect([...data]).toEqual([255, 0, 0, 9, 9, 9])
  })

  it.each([
    [
      { ...image, data: values },
      'data must be a Uint8Array, values 0..255, received [200, 30, 40, 0, 255, 0]',
    ],
    [{ ...image, data: new Float32Array(6) }, 'received a Float32Array of 6 values'],
    [{ ...image, data: Array(3_000_000).fill(1) }, 'received an array of 3000000'],
    [{ ...image, width: 3 }, 'data must be 9 bytes, for 3 x 1 pixels of 3 channels, received 6'],
    [
      { ...image, channels: 5 },
      'channels must be 1 (grayscale), 2 (with alpha), 3 (RGB) or 4 (RGBA), received 5',
    ],
    [
      { width: 4, height: 1, data: image.data },
      'data must have 1 to 4 values for each of 4 x 1 pixels, received 6',
    ],
    [{ ...image, height: 0 }, 'height must be a whole number from 1, received 0'],
    [{ ...image, width: '2' }, 'width must be a whole number from 1, received "2"'],
  ])('are refused where they are none: %#', async (source, words) => {
    const { message } = await rejection(source)
    expect(message).toMatch(/^pixels: cannot be read as an image \(/)
    expect(message).toContain(words)
    expect(message.length).toBeLessThan(200)
    await expect(encodePng(source as Image)).rejects.toThrow(words)
  })
})

describe('what is no image', () => {
  it.each([
    [undefined, 'nothing'],
    [null, 'null'],
    [7, '7'],
    [[...png], `an array of ${png.length}`],
    [new Float32Array(1000), 'a Float32Array of 1000 values'],
    [Promise.resolve(png), 'a promise, which is to be awaited'],
    [{ type: 'Buffer', data: [...png] }, 'an object { type, data }'],
    [{ data: png, info: {} }, 'an object { data, info }'],
    [() => png, 'a function'],
  ])('is refused with what is accepted: %#', async (source, received) => {
    const error = await rejection(source)
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toBe(
      "image must be an image file's path or file: URL, its bytes (Buffer, Uint8Array, ArrayBuffer, Blob) " +
        `or pixels { width, height, data }, received ${received}`,
    )
  })

  it('such as base64 is refused without printing it', async () => {
    const error = await rejection('iVBORw0KGgo'.repeat(1000))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toBe(
      "image: a text of 11000 characters is no path; base64 becomes bytes by Buffer.from(text, 'base64')",
    )
  })
})
