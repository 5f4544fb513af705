import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeFolder } from '../../lib/files/make_folder.js'
import { temporaryFolder } from '../temporary_folder.js'

it('makes a folder and those above it, also when several ask at once', async () => {
  const folder = join(await temporaryFolder(), 'a', 'b', 'c')
  await Promise.all([makeFolder(folder), makeFolder(folder), makeFolder(join(folder, 'd'))])
  await makeFolder(folder)
  expect((await stat(join(folder, 'd'))).isDirectory()).toBe(true)
})

it('refuses a place where a file is', async () => {
  const file = join(await temporaryFolder(), 'file')
  await writeFile(file, '')
  await expect(makeFolder(file)).rejects.toThrow('EEXIST')
  await expect(makeFolder(join(file, 'a'))).rejects.toThrow('ENOTDIR')
})
