import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { readImage } from '../../lib/image/image_io.js'
import {
  type ImagePreprocessingOptions,
  imagePreprocessingSchema,
} from '../../lib/image/image_preprocessing.js'
import { temporaryFolder } from '../temporary_folder.js'
import { pngFile } from './png_file.js'

const raw = (values: number[], width: number, channels: 1 | 2 | 3 | 4) =>
  sharp(Uint8Array.from(values), { raw: { width, height: values.length / width / channels, channels } })

const read = async (bytes: Uint8Array, preprocessing: ImagePreprocessingOptions) => [
  ...(await readImage(bytes, preprocessing)).data,
]

/** A PNG file that announces a size and holds `data`. */
function pngOf(width: number, height: number, data: Uint8Array): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0])
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  return pngFile(['IHDR', header], ['IDAT', deflateSync(data)])
}

describe('image preprocessing', () => {
  it("has the paper's defaults", () => {
    expect(imagePreprocessingSchema.parse({})).toEqual({
      width: 256,
      height: 256,
      channels: 3,
      resize: 'cover',
      background: [255, 255, 255],
      autoOrient: true,
    })
  })

  it('names what is wrong in it', async () => {
    const png = await raw([1, 2], 2, 1).png().toBuffer()
    await expect(readImage(png, { channels: 2 as 1 })).rejects.toThrow(/image preprocessing:\n.*channels/)
    await expect(readImage(png, { widht: 2 } as object)).rejects.toThrow(/widht: unknown key.*width/)
  })

  // 1 2   An upright image, stored as each orientation asks for: what stands first in the file is the corner that
  // 3 4   the orientation's number means.
  // 5 6
  it.each([
    [1, 2, [10, 20, 30, 40, 50, 60]],
    [2, 2, [20, 10, 40, 30, 60, 50]],
    [3, 2, [60, 50, 40, 30, 20, 10]],
    [4, 2, [50, 60, 30, 40, 10, 20]],
    [5, 3, [10, 30, 50, 20, 40, 60]],
    [6, 3, [20, 40, 60, 10, 30, 50]],
    [7, 3, [60, 40, 20, 50, 30, 10]],
    [8, 3, [50, 30, 10, 60, 40, 20]],
  ])('turns EXIF orientation %d upright', async (orientation, width, stored) => {
    const png = await raw(stored, width, 1).withMetadata({ orientation }).png().toBuffer()
    const size = { width: 2, height: 3, channels: 1 } as const
    expect(await read(png, size)).toEqual([10, 20, 30, 40, 50, 60])
    const asStored = { width, height: 6 / width, channels: 1, autoOrient: false } as const
    expect(await read(png, asStored)).toEqual(stored)
  })

  it('fits a whole image between bands of background', async () => {
    const png = await raw([100, 100, 100, 100], 1, 1).png().toBuffer()
    const contained = { width: 4, height: 4, resize: 'contain', background: [255, 0, 10] } as const
    const row = [255, 0, 10, 100, 100, 100, 255, 0, 10, 255, 0, 10]
    expect(await read(png, contained)).toEqual([...row, ...row, ...row, ...row])
  })

  it('lays transparency on the background, in colour and in gray, before it scales', async () => {
    const gray = await raw([100, 255, 100, 0], 2, 2).png().toBuffer()
    const line = { width: 2, height: 1, background: [255, 0, 10] } as const
    expect(await read(gray, line)).toEqual([100, 100, 100, 255, 0, 10])
    expect(await read(gray, { ...line, background: [70, 70, 70], channels: 1 })).toEqual([100, 70])
    const colour = await raw([10, 20, 30, 255, 1, 2, 3, 0], 2, 4).png().toBuffer()
    expect(await read(colour, line)).toEqual([10, 20, 30, 255, 0, 10])
    const hidden = await raw([0, 0, 0, 0, 0, 0, 0, 0], 2, 4).png().toBuffer()
    expect(await read(hidden, { width: 1, height: 1 })).toEqual([255, 255, 255])
  })

  it('reads 16 bits with transparency, palettes and CMYK', async () => {
    const deep = sharp(Uint16Array.of(0x8080, 0xffff, 0, 0xffff, 1, 2, 3, 0), {
      raw: { width: 2, height: 1, channels: 4 },
    })
    const line = { width: 2, height: 1 }
    expect(await read(await deep.toColourspace('rgb16').png().toBuffer(), line)).toEqual([
      0x80, 255, 0, 255, 255, 255,
    ])
    const palette = await raw([200, 30, 40, 0, 255, 0], 2, 3).png({ palette: true }).toBuffer()
    expect((await sharp(palette).metadata()).isPalette).toBe(true)
    expect(await read(palette, line)).toEqual([200, 30, 40, 0, 255, 0])

    const ink = await raw(
      Array.from({ length: 192 }, (_, i) => [200, 40, 50][i % 3]!),
      8,
      3,
    )
      .toColourspace('cmyk')
      .jpeg({ quality: 100 })
      .toBuffer()
    expect((await sharp(ink).metadata()).space).toBe('cmyk')
    const [r, g, b] = await read(ink, { width: 1, height: 1 })
    // Printing inks do not reach every colour of a screen: near it, and clearly red.
    expect(Math.abs(r! - 200)).toBeLessThan(8)
    expect(Math.max(g!, b!)).toBeLessThan(60)
  })

  it('takes the first frame of an animation', async () => {
    const frames = await raw([50, 50, 50, 50, 200, 200, 200, 200], 2, 1).png().toBuffer()
    const [first, second] = await Promise.all(
      [0, 2].map((top) => sharp(frames).extract({ left: 0, top, width: 2, height: 2 }).png().toBuffer()),
    )
    const gif = await sharp([first!, second!], { join: { animated: true } })
      .gif({ loop: 0, delay: [10, 10] })
      .toBuffer()
    expect((await sharp(gif).metadata()).pages).toBe(2)
    expect(await read(gif, { width: 2, height: 2, channels: 1 })).toEqual([50, 50, 50, 50])
  })

  it('takes pixels, and gives them back as they are where they fit', async () => {
    const image = { width: 2, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3, 4, 5, 6) } as const
    expect(await readImage(image, { width: 2, height: 1 })).toEqual(image)
    expect((await readImage(image, { width: 4, height: 4, channels: 1 })).data.length).toBe(16)
    await expect(readImage({ ...image, width: 3 }, {})).rejects.toThrow(
      'pixels: cannot be read as an image (data must be 9 bytes, for 3 x 1 pixels of 3 channels, received 6)',
    )
  })

  it('refuses more pixels than the limit before it decodes them, and says how many there are', async () => {
    const bomb = pngOf(2 ** 15, 2 ** 15, new Uint8Array(1000))
    const before = process.memoryUsage.rss()
    await expect(readImage(bomb, {})).rejects.toThrow(
      `${bomb.length} bytes: cannot be read as an image (it has 32768 x 32768 = 1073741824 pixels, ` +
        "more than the 268435456 of the image preprocessing's maxPixels)",
    )
    expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 28)
    const honest = pngOf(3, 1, Uint8Array.of(0, 7, 8, 9))
    const line = { width: 3, height: 1, channels: 1 } as const
    expect(await read(honest, { ...line, maxPixels: 3 })).toEqual([7, 8, 9])
    await expect(readImage(honest, { ...line, maxPixels: 2 })).rejects.toThrow(
      '3 x 1 = 3 pixels, more than the 2 of',
    )
  })

  it.each(['png', 'jpeg', 'webp'] as const)('names a %s file that was cut short', async (format) => {
    const values = Array.from({ length: 48 * 48 * 3 }, (_, i) => (i * 37) % 256)
    const whole = await raw(values, 48, 3).toFormat(format).toBuffer()
    const path = join(await temporaryFolder(), `cut.${format}`)
    await writeFile(path, whole.subarray(0, whole.length / 2))
    await expect(readImage(path, {})).rejects.toThrow(`${path}: cannot be read as an image (`)
  })
})
