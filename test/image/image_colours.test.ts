/** What a background and a colour profile mean, whatever colour space a file has. */
import { deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import { readImage } from '../../lib/image/image_io.js'
import type { ImagePreprocessingOptions } from '../../lib/image/image_preprocessing.js'
import { pngFile } from './png_file.js'

const read = async (source: string | Uint8Array, preprocessing: ImagePreprocessingOptions) => [
  ...(await readImage(source, preprocessing)).data,
]

/** Two pixels. */
const pair = (values: number[], channels: 1 | 2 | 3 | 4, depth: 8 | 16 = 8): Sharp =>
  sharp(depth === 8 ? Uint8Array.from(values) : Uint16Array.from(values, (value) => value * 257), {
    raw: { width: 2, height: 1, channels },
  })
const gray = [100, 200]
const rgb = [100, 100, 100, 200, 200, 200]
const grayAlpha = [100, 255, 200, 128]
const rgbAlpha = [100, 100, 100, 255, 200, 200, 200, 128]

const opaque: [what: string, space: string, file: Sharp][] = [
  ['RGB', 'srgb', pair(rgb, 3).png()],
  ['RGB of 16 bits', 'rgb16', pair(rgb, 3, 16).toColourspace('rgb16').png()],
  ['gray', 'b-w', pair(gray, 1).toColourspace('b-w').png()],
  ['gray of 16 bits', 'grey16', pair(gray, 1, 16).toColourspace('grey16').png()],
  ['a gray JPEG', 'b-w', pair(gray, 1).toColourspace('b-w').jpeg({ quality: 100 })],
  ['a gray TIFF', 'b-w', pair(gray, 1).toColourspace('b-w').tiff({ compression: 'deflate' })],
  ['a palette', 'srgb', pair(rgb, 3).png({ palette: true })],
]
const transparent: typeof opaque = [
  ['RGBA', 'srgb', pair(rgbAlpha, 4).png()],
  ['RGBA of 16 bits', 'rgb16', pair(rgbAlpha, 4, 16).toColourspace('rgb16').png()],
  ['gray with alpha', 'b-w', pair(grayAlpha, 2).toColourspace('b-w').png()],
  ['gray with alpha of 16 bits', 'grey16', pair(grayAlpha, 2, 16).toColourspace('grey16').png()],
  ['a palette with alpha', 'srgb', pair(rgbAlpha, 4).png({ palette: true })],
  ['WebP with alpha', 'srgb', pair(rgbAlpha, 4).webp({ lossless: true })],
]

describe('a background', () => {
  const contained = { width: 2, height: 3, resize: 'contain', background: [255, 0, 0] } as const
  const red = [255, 0, 0]

  it.each(opaque)('is the same colour beside %s', async (_, space, file) => {
    const bytes = await file.toBuffer()
    expect((await sharp(bytes).metadata()).space).toBe(space)
    expect(await read(bytes, contained)).toEqual([...red, ...red, ...rgb, ...red, ...red])
    // 127 is the luminance of red.
    expect(await read(bytes, { ...contained, channels: 1 })).toEqual([127, 127, ...gray, 127, 127])
    expect(await read(bytes, { ...contained, background: [255, 255, 255], channels: 1 })).toEqual([
      255,
      255,
      ...gray,
      255,
      255,
    ])
  })

  it.each(transparent)('is the same colour behind %s', async (_, space, file) => {
    const bytes = await file.toBuffer()
    expect((await sharp(bytes).metadata()).space).toBe(space)
    const half = [227, 100, 100]
    expect(await read(bytes, contained)).toEqual([...red, ...red, 100, 100, 100, ...half, ...red, ...red])
    expect(await read(bytes, { ...contained, channels: 1 })).toEqual([127, 127, 100, 140, 127, 127])
  })

  it.each([
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [10, 200, 77],
    [3, 4, 5],
  ] as const)('of %d, %d, %d is to a gray model what a picture of this colour is', async (...colour) => {
    const grayOne = { width: 1, height: 1, channels: 1 } as const
    const data = Uint8Array.from(colour)
    const picture = (await readImage({ width: 1, height: 1, channels: 3, data }, grayOne)).data
    const hidden = await pair([0, 0, 0, 0], 2).toColourspace('b-w').png().toBuffer()
    const background = (await readImage(hidden, { ...grayOne, background: colour })).data
    expect([...background]).toEqual([...picture])
    const linear = colour.map((c) =>
      c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
    )
    const y = 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!
    const encoded = y <= 0.0031308 ? 12.92 * y : 1.055 * y ** (1 / 2.4) - 0.055
    expect(Math.abs(picture[0]! - 255 * encoded)).toBeLessThan(1)
  })

  it('keeps every gray value of a gray file', async () => {
    const values = Array.from({ length: 256 }, (_, i) => i)
    const file = await sharp(Uint8Array.from(values), { raw: { width: 256, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer()
    expect(await read(file, { width: 256, height: 1, channels: 1 })).toEqual(values)
  })
})

/** A PNG of one RGB pixel. */
function pngPixel(depth: 8 | 16, values: number[], icc?: Buffer): Buffer {
  const samples = depth === 8 ? values : values.flatMap((value) => [value, value])
  return pngFile(
    ['IHDR', Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, depth, 2, 0, 0, 0])],
    ...(icc ? [['iCCP', Buffer.concat([Buffer.from('p\0\0'), deflateSync(icc)])] as const] : []),
    ['IDAT', deflateSync(Uint8Array.from([0, ...samples]))],
  )
}

const profileOf = async (name: 'srgb' | 'p3') => {
  const file = await pair(rgb, 3).withIccProfile(name).png().toBuffer()
  return (await sharp(file).metadata()).icc!
}

describe('a colour profile', () => {
  const one = { width: 1, height: 1 }

  it.each([8, 16] as const)('of sRGB changes nothing, at %d bits', async (depth) => {
    expect(await read(pngPixel(depth, [234, 51, 35]), one)).toEqual([234, 51, 35])
    expect(await read(pngPixel(depth, [234, 51, 35], await profileOf('srgb')), one)).toEqual([234, 51, 35])
  })

  it.each([8, 16] as const)('of Display P3 is applied, at %d bits', async (depth) => {
    // The red of sRGB as Display P3 has it.
    const [r, g, b] = await read(pngPixel(depth, [234, 51, 35], await profileOf('p3')), one)
    expect([r, g]).toEqual([255, 0])
    expect(b).toBeLessThan(5)
  })

  it('that is damaged is left aside', async () => {
    expect(await read(pngPixel(8, [234, 51, 35], Buffer.from('no profile')), one)).toEqual([234, 51, 35])
  })
})
