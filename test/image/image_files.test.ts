/** Image files as people have them: formats, damage and sizes. */
import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { readImage } from '../../lib/image/image_io.js'
import type { ImagePreprocessingOptions } from '../../lib/image/image_preprocessing.js'
import { temporaryFolder } from '../temporary_folder.js'

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/images/${name}`, import.meta.url))
const read = async (source: string | Uint8Array, preprocessing: ImagePreprocessingOptions) => [
  ...(await readImage(source, preprocessing)).data,
]
const failure = async (source: string | Uint8Array) =>
  readImage(source, {}).then(
    () => 'was read',
    (error: Error) => error.message,
  )

describe('formats', () => {
  it.each(['c.gif', 'd.tiff', 'e.avif', 'f.jfif'])('reads %s', async (name) => {
    const bytes = await readFile(fixture(name))
    const image = await readImage(bytes, { width: 8, height: 8 })
    expect(image).toEqual(await readImage(fixture(name), { width: 8, height: 8 }))
    expect(image.data.length).toBe(192)
  })

  it('goes by content, not by name', async () => {
    const path = join(await temporaryFolder(), 'really.jpg')
    const rgb = [100, 110, 120, 200, 210, 220]
    const raw = { width: 2, height: 1, channels: 3 } as const
    await sharp(Uint8Array.from(rgb), { raw }).webp({ lossless: true }).toFile(path)
    expect(await read(path, { width: 2, height: 1 })).toEqual(rgb)
  })

  it('says of what it does not read what it is', async () => {
    const box = (brand: string) =>
      Buffer.concat([
        Buffer.from([0, 0, 0, 24]),
        Buffer.from(`ftyp${brand}\0\0\0\0mif1${brand}`),
        Buffer.alloc(99),
      ])
    const notRead = (what: string) =>
      `bytes: cannot be read as an image (it is ${what} image, which is not read; convert it to PNG)`
    expect(await failure(fixture('b.bmp'))).toBe(
      `${fixture('b.bmp')}: cannot be read as an image (it is a BMP image, which is not read; convert it to PNG)`,
    )
    expect(await failure(box('heic'))).toContain(notRead('a HEIC'))
    expect(await failure(box('crx '))).toContain(notRead('a Canon raw (CR3)'))
    expect(await failure(Buffer.from('8BPS\0\x01' + '\0'.repeat(60)))).toContain(notRead('a Photoshop (PSD)'))
    expect(await failure(Buffer.from([0, 0, 1, 0, 1, 0, ...Array(60).fill(1)]))).toContain(
      notRead('an icon (ICO)'),
    )
    expect(
      await failure(Buffer.from('0000000c6a5020200d0a870a00000014667479706a703220000000006a703220', 'hex')),
    ).toContain(notRead('a JPEG 2000'))
    expect(await failure(Buffer.from('II*\0\x10\0\0\0CR\x02\0' + '\0'.repeat(60)))).toContain(
      notRead('a Canon raw (CR2)'),
    )
    expect(await failure(Buffer.from('P6\n1 1\n255\nabc'))).toContain('Netpbm')
    expect(await failure(Buffer.from('<!DOCTYPE html><html><body>404'))).toContain('(it is an HTML page')
    expect(await failure(Buffer.from('version https://git-lfs.github.com/spec/v1\noid'))).toContain(
      'git lfs pull',
    )
    expect(await failure(Buffer.from('%PDF-1.7\n'))).toContain(
      '(it is a file of the type application/pdf, no image)',
    )
    expect(await failure(new Uint8Array(0))).toBe('0 bytes: cannot be read as an image (it is empty)')
    expect(await failure(new Uint8Array(100))).toContain('(it is nothing but zeros)')
  })

  it.each([
    ['a size', 'width="40" height="20"'],
    ['a view box alone', 'viewBox="0 0 40 20"'],
    ['a size in per cent', 'width="100%" height="100%" viewBox="0 0 40 20"'],
    ['no size', ''],
  ])('reads an SVG with %s', async (_, size) => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" ${size}><rect width="20" height="20" fill="#f00"/><rect x="20" width="20" height="20" fill="#00f"/></svg>`
    const data = await read(Buffer.from(svg), { width: 4, height: 2 })
    expect(data.slice(0, 3)).toEqual([255, 0, 0])
    expect(data.slice(-3)).toEqual([0, 0, 255])
  })

  it.each(['jpeg', 'webp', 'tiff', 'avif', 'png'] as const)('turns a %s upright', async (format) => {
    const half = (r: number) => ({
      create: { width: 32, height: 16, channels: 3 as const, background: { r, g: 0, b: 0 } },
    })
    const wide = sharp(half(255)).composite([{ input: half(0), left: 0, top: 8 }])
    const file = await sharp(await wide.png().toBuffer())
      .withMetadata({ orientation: 6 })
      .toFormat(format, { quality: 100 })
      .toBuffer()
    // What is above in the file is on the right.
    const { data } = await readImage(file, { width: 16, height: 32, channels: 3 })
    expect(data[3 * (16 * 16 + 3)]).toBeLessThan(20)
    expect(data[3 * (16 * 16 + 12)]).toBeGreaterThan(235)
  })

  it.each([
    [1, 1],
    [1, 3000],
    [3000, 1],
    [1, 60_000],
  ])('reads a picture of %d x %d', async (width, height) => {
    const file = await sharp({ create: { width, height, channels: 3, background: { r: 9, g: 99, b: 199 } } })
      .png()
      .toBuffer()
    for (const resize of ['cover', 'contain'] as const) {
      const data = await read(file, { width: 3, height: 3, resize, background: [9, 99, 199] })
      expect(data).toEqual(Array.from({ length: 27 }, (_, i) => [9, 99, 199][i % 3]))
    }
  })

  it('reads gray values of floating point, 0 .. 1 or 0 .. 255, and refuses integers with a sign', async () => {
    const tiff = (samples: Float32Array | Int32Array, format: number) => {
      const data = Buffer.from(samples.buffer)
      const entries = [
        [256, 4, samples.length],
        [257, 4, 1],
        [258, 3, 32],
        [259, 3, 1],
        [262, 3, 1],
        [273, 4, 8],
        [277, 3, 1],
        [278, 4, 1],
        [279, 4, data.length],
        [339, 3, format],
      ] as const
      const directory = Buffer.alloc(2 + 12 * entries.length + 4)
      directory.writeUInt16LE(entries.length)
      entries.forEach(([tag, type, value], i) => {
        directory.writeUInt16LE(tag, 2 + 12 * i)
        directory.writeUInt16LE(type, 4 + 12 * i)
        directory.writeUInt32LE(1, 6 + 12 * i)
        directory.writeUInt32LE(value, 10 + 12 * i)
      })
      const header = Buffer.from('49492a0000000000', 'hex')
      header.writeUInt32LE(8 + data.length, 4)
      return Buffer.concat([header, data, directory])
    }
    const line = { width: 3, height: 1, channels: 1 } as const
    expect(await read(tiff(Float32Array.of(0, 0.5, 1), 3), line)).toEqual([0, 128, 255])
    expect(await read(tiff(Float32Array.of(0, 50, 300), 3), line)).toEqual([0, 50, 255])
    expect(await failure(tiff(Int32Array.of(0, 1, 2), 2))).toContain('its samples are of the type int;')
  })
})

describe('damage', () => {
  const noise = sharp(
    Uint8Array.from({ length: 48 * 48 * 3 }, (_, i) => (i * i * 37) % 251),
    {
      raw: { width: 48, height: 48, channels: 3 },
    },
  )

  it('of which browsers warn is read', async () => {
    const [r, g, b] = await read(fixture('sos.jpg'), { width: 64, height: 64 })
    expect([r, g, b]).toEqual([200, 30, 30])
  })

  it.each(['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const)(
    'by bytes behind the end of a %s is read, and what is cut short is refused at any length',
    async (format) => {
      const whole = await noise.clone().toFormat(format).toBuffer()
      const size = { width: 48, height: 48 }
      expect(await read(Buffer.concat([whole, Buffer.from('more of it')]), size)).toEqual(
        await read(whole, size),
      )
      for (const share of [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97]) {
        const message = await failure(whole.subarray(0, whole.length * share))
        expect(message).toMatch(
          /^\d+ bytes: cannot be read as an image \(it [^\n]*(damaged|does not begin)[^\n]*\)$/,
        )
        expect(message).not.toMatch(/vips|libpng|lib|buffer|seek|scanline/i)
      }
    },
  )

  it('in a chunk of a PNG that is not needed is read', async () => {
    const png = await noise.clone().png().toBuffer()
    const text = Buffer.from('00000003744558746100620000000000', 'hex').subarray(0, 15)
    const damaged = Buffer.concat([png.subarray(0, 33), text, png.subarray(33)])
    const size = { width: 48, height: 48 }
    expect(await read(damaged, size)).toEqual(await read(png, size))
    png[png.length - 20]! ^= 255
    expect(await failure(png)).toContain('it is a PNG image that is damaged or cut short')
  })

  it('in a frame of a GIF is refused', async () => {
    const gif = await noise.clone().gif().toBuffer()
    gif.fill(0, gif.length >> 1)
    expect(await failure(gif)).toContain('it is a GIF image that is damaged or cut short')
  })
})

describe('small files of many pixels', () => {
  it.each([
    ['solid2048.webp', 'maxPixels', 2048 * 2048, '2048 x 2048 = 4194304'],
    ['blank.tiff', 'maxPixels', 4960 * 7016, '4960 x 7016 = 34799360'],
  ])('are read: %s', async (name, _, pixels, size) => {
    const { data } = await readImage(fixture(name), { width: 2, height: 2, maxPixels: pixels })
    expect([...data]).toEqual(Array(12).fill(255))
    await expect(readImage(fixture(name), { maxPixels: pixels - 1 })).rejects.toThrow(
      `${fixture(name)}: cannot be read as an image (it has ${size} pixels, more than the ${pixels - 1} of the image preprocessing's maxPixels)`,
    )
  })

  it('are found out before memory is taken, where no file of their format could be so small', async () => {
    const png = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    png.writeUInt32BE(2 ** 14, 16)
    png.writeUInt32BE(2 ** 14, 20)
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29)
    const before = process.resourceUsage().maxRSS
    expect(await failure(png)).toContain('it is a PNG image that is damaged or cut short')
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(100_000)
  })

  it('are read many at once', async () => {
    const images = await Promise.all(
      Array.from({ length: 6 }, () => readImage(fixture('blank.tiff'), { width: 1, height: 1, channels: 1 })),
    )
    for (const { data } of images) expect([...data]).toEqual([255])
  })
})
