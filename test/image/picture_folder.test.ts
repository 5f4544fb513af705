import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { PictureFolder } from '../../lib/image/picture_folder.js'
import { testImage } from '../models/transfusion/tiny_model.js'
import { temporaryFolder } from '../temporary_folder.js'

const image = testImage(4, 4, 1)

it('numbers pictures on from those of other runs, and makes the folder for the first', async () => {
  const folder = join(await temporaryFolder(), 'new', 'pictures')
  const first = await PictureFolder.open(folder)
  await expect(readdir(folder)).rejects.toThrow('ENOENT')
  expect(await first.write(first.reserve(), image)).toBe(join(folder, '0001.png'))
  await writeFile(join(folder, '0041-step-0010.png'), '')
  await writeFile(join(folder, 'notes.txt'), '')
  const second = await PictureFolder.open(folder)
  expect(await second.write(second.reserve(), image)).toBe(join(folder, '0042.png'))
})

it('writes over nothing: not even what another process has written since', async () => {
  const folder = await temporaryFolder()
  const [a, b] = [await PictureFolder.open(folder), await PictureFolder.open(folder)]
  const [ofA, ofB] = [a.reserve(), b.reserve()]
  expect(await a.write(ofA, image)).toBe(join(folder, '0001.png'))
  const before = await readFile(join(folder, '0001.png'))
  expect(await b.write(ofB, testImage(4, 4, 2))).toBe(join(folder, '0002.png'))
  expect(await readFile(join(folder, '0001.png'))).toEqual(before)
  expect(await a.writePreview(ofA, 5, image)).toBe(join(folder, '0001-step-0005.png'))
  expect(await b.writePreview(ofB, 5, image)).toBeUndefined()
})

it('says where pictures cannot be written', async () => {
  const file = join(await temporaryFolder(), 'file')
  await writeFile(file, '')
  await expect(PictureFolder.open(file)).rejects.toThrow(`${file}: pictures cannot be written there`)
})
