import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { listFiles } from '../../../lib/data/sources/file_list.js'
import { temporaryFolder } from '../../temporary_folder.js'

it('lists files, folders and patterns, in an order that is the same everywhere', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'deep'))
  for (const name of ['b-10.tar', 'b-9.tar', 'a.tar.gz', 'notes.md', 'deep/c.TAR', 'b+1.tar'])
    await writeFile(join(folder, name), '')
  const list = async (paths: string | string[]) =>
    (await listFiles(paths, ['.tar', '.tar.gz'])).map((path) => path.slice(folder.length + 1))
  expect(await list(folder)).toEqual(['a.tar.gz', 'b+1.tar', 'b-10.tar', 'b-9.tar', 'deep/c.TAR'])
  expect(await list(join(folder, 'b-*.tar'))).toEqual(['b-10.tar', 'b-9.tar'])
  expect(await list(join(folder, 'b+*'))).toEqual(['b+1.tar'])
  expect(await list([join(folder, 'notes.md'), join(folder, '*.gz')])).toEqual(['notes.md', 'a.tar.gz'])
  await expect(list(join(folder, 'x*.tar'))).rejects.toThrow('x*.tar: no file has such a name')
  await expect(list(join(folder, 'none'))).rejects.toThrow('none: no such file or folder')
  await expect(listFiles(folder, ['.txt'])).rejects.toThrow('holds no files that end with .txt')
})
