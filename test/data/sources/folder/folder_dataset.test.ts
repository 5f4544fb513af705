import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ImagePart } from '../../../../lib/data/document.js'
import { writePng } from '../../../../lib/image/image_io.js'
import { FolderDataset } from '../../../../lib/data/sources/folder/folder_dataset.js'
import { temporaryFolder } from '../../../temporary_folder.js'

const size = { width: 2, height: 2, channels: 1 } as const

async function folderWith(captions: Record<string, string>): Promise<string> {
  const folder = await temporaryFolder()
  for (const [name, caption] of Object.entries(captions)) {
    const data = new Uint8Array(4).fill(caption.length)
    await writePng(join(folder, `${name}.png`), { ...size, data })
    await writeFile(join(folder, `${name}.txt`), caption)
  }
  return folder
}

describe('FolderDataset', () => {
  it('pairs images with the captions beside them, in sorted order', async () => {
    const folder = await folderWith({ b: 'two bags\n', a10: 'ten', a9: ' nine ' })
    await writeFile(join(folder, 'notes.txt'), 'no image beside it')
    const dataset = await FolderDataset.open(folder, size)
    expect(dataset.length).toBe(3)
    const samples = await Promise.all([0, 1, 2].map((i) => dataset.get(i)))
    expect(samples.map(({ parts }) => parts[0])).toEqual(
      ['ten', 'nine', 'two bags'].map((text) => ({ type: 'text', text })),
    )
    expect(samples.map(({ parts }) => (parts[1] as ImagePart).image.data[0])).toEqual([3, 6, 9])
    expect(samples[0]).not.toHaveProperty('label')
  })

  it('decodes to the configured size and channels', async () => {
    const dataset = await FolderDataset.open(await folderWith({ a: 'x' }), {
      width: 4,
      height: 3,
      channels: 3,
    })
    const { image } = (await dataset.get(0)).parts[1] as ImagePart
    expect(image).toMatchObject({ width: 4, height: 3, channels: 3 })
    expect(image.data).toHaveLength(36)
  })

  it('names an image without a caption', async () => {
    const folder = await folderWith({ a: 'x' })
    await writeFile(join(folder, 'b.JPG'), '')
    await expect(FolderDataset.open(folder, size)).rejects.toThrow(
      `${join(folder, 'b.JPG')}: its caption is missing; expected b.txt`,
    )
  })

  it('names an empty folder, a broken image and an empty caption', async () => {
    const empty = await temporaryFolder()
    await expect(FolderDataset.open(empty, size)).rejects.toThrow(`${empty}: holds no images`)

    const folder = await folderWith({ a: 'x', b: ' \n' })
    await writeFile(join(folder, 'a.png'), 'broken')
    const dataset = await FolderDataset.open(folder, size)
    await expect(dataset.get(0)).rejects.toThrow(`${join(folder, 'a.png')}: cannot be read as an image`)
    await expect(dataset.get(1)).rejects.toThrow(`${join(folder, 'b.txt')}: is empty`)
    await expect(dataset.get(2)).rejects.toThrow('received 2')
  })
})
