import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import type { Image } from '../../lib/image/image.js'
import { encodePng, readImage, stackPngs, writePng } from '../../lib/image/image_io.js'
import { temporaryFolder } from '../temporary_folder.js'

/** An image whose bytes all differ from their neighbours. */
function pattern(width: number, height: number, channels: 1 | 3): Image {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 37) % 256)
  return { width, height, channels, data }
}

async function writeRaw(
  pixels: number[],
  width: number,
  height: number,
  channels: 1 | 2 | 3 | 4,
): Promise<string> {
  const path = join(await temporaryFolder(), 'image.png')
  await sharp(Uint8Array.from(pixels), { raw: { width, height, channels } }).png().toFile(path)
  return path
}

describe('image files', () => {
  it.each([1, 3] as const)('keeps every byte of an image of %d channels', async (channels) => {
    const path = join(await temporaryFolder(), 'image.png')
    const image = pattern(5, 3, channels)
    await writePng(path, image)
    expect(await readImage(path, { width: 5, height: 3, channels })).toEqual(image)
  })

  it('keeps the middle of a wide image', async () => {
    const path = await writeRaw([10, 20, 30, 40, 50, 60, 70, 80], 4, 2, 1)
    const { data } = await readImage(path, { width: 2, height: 2, channels: 1 })
    expect([...data]).toEqual([20, 30, 60, 70])
  })

  it('scales an image down to the size', async () => {
    const path = await writeRaw(Array(64 * 32).fill(200), 64, 32, 1)
    const { data } = await readImage(path, { width: 8, height: 8, channels: 1 })
    expect([...data]).toEqual(Array(64).fill(200))
  })

  it('turns grayscale into RGB and RGB into grayscale', async () => {
    const gray = await writeRaw([0, 100, 255], 3, 1, 1)
    expect([...(await readImage(gray, { width: 3, height: 1, channels: 3 })).data]).toEqual([
      0, 0, 0, 100, 100, 100, 255, 255, 255,
    ])
    const rgb = await writeRaw([0, 0, 0, 255, 255, 255, 90, 90, 90], 3, 1, 3)
    expect([...(await readImage(rgb, { width: 3, height: 1, channels: 1 })).data]).toEqual([0, 255, 90])
  })

  it('lays transparency on white', async () => {
    const path = await writeRaw([255, 0, 0, 255, 255, 0, 0, 0], 2, 1, 4)
    const { data } = await readImage(path, { width: 2, height: 1, channels: 3 })
    expect([...data]).toEqual([255, 0, 0, 255, 255, 255])
  })

  it('reads 16 bits for each value as the nearest byte', async () => {
    const path = join(await temporaryFolder(), 'image.png')
    const values = Uint16Array.of(0, 0x8080, 0xffff)
    await sharp(values, { raw: { width: 3, height: 1, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toFile(path)
    const { data } = await readImage(path, { width: 3, height: 1, channels: 1 })
    expect([...data]).toEqual([0, 0x80, 255])
  })

  it('turns a photo upright', async () => {
    const path = join(await temporaryFolder(), 'photo.png')
    const raw = { width: 2, height: 1, channels: 1 } as const
    await sharp(Uint8Array.of(10, 200), { raw }).withMetadata({ orientation: 6 }).png().toFile(path)
    expect([...(await readImage(path, { width: 1, height: 2, channels: 1 })).data]).toEqual([10, 200])
  })

  it('names a file that is no image', async () => {
    const path = join(await temporaryFolder(), 'image.png')
    await writeFile(path, 'not an image')
    const size = { width: 2, height: 2, channels: 1 } as const
    await expect(readImage(path, size)).rejects.toThrow(`${path}: cannot be read as an image (`)
    await expect(readImage(`${path}2`, size)).rejects.toThrow(`${path}2: cannot be read as an image (`)
    expect(await readFile(path, 'utf8')).toBe('not an image')
  })

  it('refuses data of another length than the image', async () => {
    await expect(encodePng({ ...pattern(2, 2, 3), channels: 1 })).rejects.toThrow(
      'data must be 4 bytes, for 2 x 2 pixels of 1 channels, received 12',
    )
  })
})

describe('stackPngs', () => {
  it('puts images below each other, on white', async () => {
    const folder = await temporaryFolder()
    const [first, second, all] = ['a.png', 'b.png', 'all.png'].map((name) => join(folder, name))
    await writePng(first!, { width: 2, height: 1, channels: 3, data: Uint8Array.of(255, 0, 0, 0, 0, 255) })
    await writePng(second!, { width: 1, height: 2, channels: 1, data: Uint8Array.of(0, 90) })
    await stackPngs([first!, second!], all!)
    const stacked = await readImage(all!, { width: 2, height: 3 })
    expect([...stacked.data]).toEqual(
      [
        [255, 0, 0, 0, 0, 255],
        [0, 0, 0, 255, 255, 255],
        [90, 90, 90, 255, 255, 255],
      ].flat(),
    )
  })
})
