import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { IdxDataset, fillTemplate } from '../../../../lib/data/sources/idx/idx_dataset.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { idxFile } from './idx_file.js'

async function open(
  options: {
    labels?: number[]
    templates?: string[]
    classNames?: string[]
    padding?: number
    transpose?: boolean
  } = {},
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
  const { padding, transpose } = options
  return IdxDataset.open({ imagesPath, labelsPath, classNames, templates, padding, transpose })
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

  it("reads EMNIST's layout: images column by column, labels from 1", async () => {
    const at = (name: string) =>
      fileURLToPath(new URL(`../../../fixtures/cases/emnist/${name}`, import.meta.url))
    const letters = Array.from({ length: 26 }, (_, i) => String.fromCodePoint(97 + i))
    const files = {
      imagesPath: at('images'),
      labelsPath: at('labels'),
      classNames: letters,
      templates: ['{label}'],
    }
    const stored = await IdxDataset.open({ ...files, firstLabel: 1 })
    const upright = await IdxDataset.open({ ...files, firstLabel: 1, transpose: true })
    expect([0, 1, 2, 3].map((i) => upright.label(i))).toEqual([0, 1, 25, 2])
    expect([0, 1, 2, 3].map((i) => (upright.get(i).parts[0] as { text: string }).text)).toEqual([
      'a',
      'b',
      'z',
      'c',
    ])
    const { width, height } = stored.image(1)
    expect(upright.image(1)).toMatchObject({ width: height, height: width })
    const pixel = (dataset: IdxDataset, x: number, y: number) => dataset.image(1).data[y * dataset.width + x]
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) expect(pixel(upright, y, x)).toBe(pixel(stored, x, y))
    await expect(IdxDataset.open(files)).rejects.toThrow(
      'label 26 (image 2) has no name; 26 class names were given, for 0 to 25; the labels go from 1 to 26: ' +
        '"firstLabel": 1 would fit',
    )
    await expect(IdxDataset.open({ ...files, firstLabel: 2 })).rejects.toThrow(
      'label 1 (image 0) has no name',
    )
  })

  it('turns images that are not square', async () => {
    const dataset = await open({ transpose: true, padding: 1 })
    expect(dataset).toMatchObject({ width: 4, height: 3 })
    expect([...dataset.image(1).data]).toEqual([0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0])
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
    await expect(open({ templates: [] })).rejects.toThrow(
      'IdxDataset.open: options.templates must have a template or more, received none',
    )
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
