import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { writePng } from '../../../../lib/image/image_io.js'
import { imagePreprocessingSchema } from '../../../../lib/image/image_preprocessing.js'
import { ImageFolder } from '../../../../lib/data/sources/folder/image_folder.js'
import { temporaryFolder } from '../../../temporary_folder.js'

const preprocessing = imagePreprocessingSchema.parse({ width: 4, height: 2 })
let root: string

/** A picture of one colour. */
async function write(path: string, [r, g, b]: readonly [number, number, number]) {
  await mkdir(join(root, path, '..'), { recursive: true })
  const data = Uint8Array.from({ length: 24 }, (_, i) => [r, g, b][i % 3]!)
  await writePng(join(root, path), { width: 4, height: 2, channels: 3, data })
}

beforeEach(async () => {
  root = await temporaryFolder()
  await write('red/2.png', [200, 0, 1])
  await write('red/10.png', [210, 0, 1])
  await write('azure sky/a.png', [0, 10, 220])
})

it('holds the images of each folder with its name, in colour', async () => {
  await writeFile(join(root, '.DS_Store'), '')
  await writeFile(join(root, 'red', '._2.png'), '')
  await writeFile(join(root, 'red', 'Thumbs.db'), '')
  const images = await ImageFolder.open(root, { preprocessing })
  expect(images).toMatchObject({ length: 3, width: 4, height: 2, channels: 3 })
  expect(images.classNames).toEqual(['azure sky', 'red'])
  expect([...images.labels]).toEqual([0, 1, 1])
  expect([...images.pixels.subarray(0, 3)]).toEqual([0, 10, 220])
  expect([...images.image(2).data.subarray(0, 6)]).toEqual([200, 0, 1, 200, 0, 1])
  expect(images.get(0)).toEqual({
    label: 0,
    parts: [
      { type: 'text', text: 'an azure sky' },
      { type: 'image', image: images.image(0) },
    ],
  })
  expect(() => images.image(3)).toThrow(RangeError)
})

it('takes the classes of another folder', async () => {
  const classNames = ['azure sky', 'green', 'red']
  const images = await ImageFolder.open(root, { preprocessing, classNames, caption: 'of {label}' })
  expect([...images.labels]).toEqual([0, 2, 2])
  expect(images.get(1).parts[0]).toEqual({ type: 'text', text: 'of red' })
  await expect(ImageFolder.open(root, { preprocessing, classNames: ['red'] })).rejects.toThrow(
    `${join(root, 'azure sky')}: a class that is not known; known: red`,
  )
})

it.each<[string, () => Promise<unknown>, string]>([
  ['a folder without images', () => mkdir(join(root, 'blue')), 'blue: holds no images'],
  ['a file beside the classes', () => write('one.png', [0, 0, 0]), 'one.png: stands beside the classes'],
  ['a file that is no image', () => writeFile(join(root, 'red', 'a.txt'), 'red'), join('red', 'a.txt')],
])('refuses %s by name', async (_what, change, message) => {
  await change()
  await expect(ImageFolder.open(root, { preprocessing })).rejects.toThrow(message)
})

it('refuses a folder without classes', async () => {
  const empty = await temporaryFolder()
  await expect(ImageFolder.open(empty, { preprocessing })).rejects.toThrow(`${empty}: holds no folders`)
})

it('names a folder that is missing', async () => {
  const missing = join(await temporaryFolder(), 'tset')
  await expect(ImageFolder.open(missing, { preprocessing })).rejects.toThrow(
    `${missing}: no such file or folder`,
  )
})
