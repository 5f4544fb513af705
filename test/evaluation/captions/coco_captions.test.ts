import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type CocoOptions, readCocoCaptions } from '../../../lib/evaluation/captions/coco_captions.js'
import { temporaryFolder } from '../../temporary_folder.js'

async function written(content: unknown): Promise<{ folder: string; path: string }> {
  const folder = await temporaryFolder()
  const path = join(folder, 'captions.json')
  await writeFile(path, JSON.stringify(content))
  return { folder, path }
}

const annotations = {
  info: {},
  images: [
    { id: 9, file_name: 'b.jpg', width: 3 },
    { id: 4, file_name: 'a.jpg' },
  ],
  annotations: [
    { id: 1, image_id: 4, caption: 'a dog' },
    { id: 2, image_id: 9, caption: 'a cat' },
    { id: 3, image_id: 4, caption: 'one dog' },
  ],
}
const karpathyImage = (filename: string, split: string, ...raws: string[]) => ({
  filepath: 'val2014',
  filename,
  split,
  sentences: raws.map((raw) => ({ raw, tokens: raw.split(' ') })),
})
const karpathy = {
  dataset: 'coco',
  images: [
    karpathyImage('a.jpg', 'test', 'a dog', 'one dog'),
    karpathyImage('b.jpg', 'train', 'a cat'),
    karpathyImage('c.jpg', 'test', 'a cow'),
  ],
}

it("reads COCO's annotations", async () => {
  const { folder, path } = await written(annotations)
  expect(await readCocoCaptions(path)).toEqual([
    { path: join(folder, 'b.jpg'), references: ['a cat'] },
    { path: join(folder, 'a.jpg'), references: ['a dog', 'one dog'] },
  ])
  expect((await readCocoCaptions(path, { images: '/pictures' }))[1]!.path).toBe('/pictures/a.jpg')
})

it("reads a split of Karpathy's, from COCO's folder or the one above", async () => {
  const { folder, path } = await written(karpathy)
  expect(await readCocoCaptions(path)).toEqual([
    { path: join(folder, 'a.jpg'), references: ['a dog', 'one dog'] },
    { path: join(folder, 'c.jpg'), references: ['a cow'] },
  ])
  await mkdir(join(folder, 'val2014'))
  await writeFile(join(folder, 'val2014', 'b.jpg'), '')
  expect(await readCocoCaptions(path, { split: 'train' })).toEqual([
    { path: join(folder, 'val2014', 'b.jpg'), references: ['a cat'] },
  ])
})

const [first, ...others] = annotations.annotations
it.each<[string, unknown, CocoOptions, string]>([
  ['another split', karpathy, { split: 'tst' }, 'has no split "tst": its splits are test, train'],
  ['a split of annotations', annotations, { split: 'test' }, 'its images are of no split, received "test"'],
  [
    'an image without captions',
    { ...annotations, annotations: others.slice(1) },
    {},
    'image 9 (b.jpg) has no caption',
  ],
  [
    'a caption of no image',
    { ...annotations, annotations: [{ ...first, image_id: 5 }] },
    {},
    'a caption is of image 5, which is not among the images',
  ],
  ['another layout', { data: [] }, {}, 'received the keys "data"'],
  ['no object', 7, {}, 'received 7'],
  [
    'a caption that is no text',
    { ...annotations, annotations: [{ image_id: 4, caption: 7 }] },
    {},
    'annotations',
  ],
])('says what is wrong with %s', async (_, content, options, message) => {
  const { path } = await written(content)
  const failure = await readCocoCaptions(path, options).catch((error: Error) => error.message)
  expect(failure).toContain(path)
  expect(failure).toContain(message)
})
