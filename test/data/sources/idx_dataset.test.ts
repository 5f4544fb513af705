import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { IdxDataset, fillTemplate } from '../../../lib/data/sources/idx_dataset.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { idxFile } from '../idx_file.js'

async function open(
  options: { labels?: number[]; templates?: string[]; classNames?: string[]; padding?: number } = {},
) {
  const folder = await temporaryFolder()
  const imagesPath = join(folder, 'images')
  const labelsPath = join(folder, 'labels')
  const {
    labels = [1, 0, 1],
    templates = ['a photo of {a label}', '{label}'],
    classNames = ['bag', 'ankle boot'],
  } = options
  await writeFile(imagesPath, idxFile([3, 2, 1], [1, 2, 3, 4, 5, 6]))
  await writeFile(labelsPath, idxFile([labels.length], labels))
  const { padding } = options
  return IdxDataset.open({ imagesPath, labelsPath, classNames, templates, padding })
}

describe('IdxDataset', () => {
  it('pairs images with captions made from their labels', async () => {
    const dataset = await open()
    expect(dataset.length).toBe(3)
    const captions = ['a photo of an ankle boot', 'bag', 'a photo of an ankle boot']
    captions.forEach((text, i) => {
      const { parts, label } = dataset.get(i)
      expect(label).toBe([1, 0, 1][i])
      expect(parts[0]).toEqual({ type: 'text', text })
      const data = Uint8Array.of(2 * i + 1, 2 * i + 2)
      expect(parts[1]).toMatchObject({ type: 'image', image: { width: 1, height: 2, channels: 1 } })
      expect(new Uint8Array(dataset.image(i).data)).toEqual(data)
    })
  })

  it('adds black pixels on each side where it is asked for', async () => {
    const dataset = await open({ padding: 1 })
    const { width, height, data } = dataset.image(1)
    expect({ width, height }).toEqual({ width: 3, height: 4 })
    expect([...data]).toEqual([0, 0, 0, 0, 3, 0, 0, 4, 0, 0, 0, 0])
  })

  it.each([-1, 3, 0.5])('refuses the index %d', async (index) => {
    const dataset = await open()
    expect(() => dataset.get(index)).toThrow(`index must be an integer from 0 to 2; received ${index}`)
    expect(() => dataset.image(index)).toThrow(RangeError)
  })

  it('refuses files that do not fit each other, or the names', async () => {
    await expect(open({ labels: [1, 0] })).rejects.toThrow(
      /labels: holds 2 labels for the 3 images of .*images/,
    )
    await expect(open({ labels: [1, 0, 2] })).rejects.toThrow(
      /label 2 \(image 2\) has no name; 2 class names/,
    )
  })

  it('refuses templates without a place for the label', async () => {
    await expect(open({ templates: ['a photo'] })).rejects.toThrow(
      '"a photo" holds neither {label} nor {a label}',
    )
    await expect(open({ templates: [] })).rejects.toThrow('at least one caption template')
  })
})

describe('fillTemplate', () => {
  it.each([
    ['a photo of a {label}', 'bag', 'a photo of a bag'],
    ['{a label}, {label}', 'bag', 'a bag, bag'],
    ['{a label}', 'ankle boot', 'an ankle boot'],
    ['{label}', "$& and $'", "$& and $'"],
  ])('fills %s', (template, label, filled) => expect(fillTemplate(template, label)).toBe(filled))
})
