import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { LeftOut } from '../../../../lib/data/left_out.js'
import { listFiles } from '../../../../lib/data/sources/files/file_list.js'
import { temporaryFolder } from '../../../temporary_folder.js'

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
  for (const [paths, shown] of [
    [undefined, 'nothing'],
    [[], '[]'],
    [['a', 5], '["a", 5]'],
  ] as const)
    await expect(listFiles(paths as never, ['.txt'])).rejects.toThrow(
      `path must be a path or a list of paths, one at least; received ${shown}`,
    )
  await expect(listFiles(folder, ['.txt'])).rejects.toThrow('holds no files that end with .txt')
})

it('takes patterns with braces, ranges and folders at any depth', async () => {
  const folder = await temporaryFolder()
  for (const inner of ['a', 'b', 'data [v2]', 'x.tar']) await mkdir(join(folder, inner))
  for (const name of [
    'a/008.tar',
    'a/009.tar',
    'a/010.tar',
    'a/._010.tar',
    'b/0.tar',
    'data [v2]/0.tar',
    'x.tar/y.tar',
    'top.tar',
    '.tar',
    'c{1}.tar',
  ])
    await writeFile(join(folder, name), '')
  const list = async (pattern: string) =>
    (await listFiles(join(folder, pattern), ['.tar'])).map((path) => path.slice(folder.length + 1))
  expect(await list('a/{008..010}.tar')).toEqual(['a/008.tar', 'a/009.tar', 'a/010.tar'])
  expect(await list('{b,a}/*.tar')).toEqual(['b/0.tar', 'a/008.tar', 'a/009.tar', 'a/010.tar'])
  expect(await list('a/00?.tar')).toEqual(['a/008.tar', 'a/009.tar'])
  expect(await list('a/00[!8].tar')).toEqual(['a/009.tar'])
  expect(await list('*/0.tar')).toEqual(['b/0.tar', 'data [v2]/0.tar'])
  expect(await list('data [v2]/*.tar')).toEqual(['data [v2]/0.tar'])
  expect(await list('c{1}.tar')).toEqual(['c{1}.tar'])
  // A folder that is called like a file is none, and what lies in it is not named.
  expect(await list('*.tar')).toEqual(['c{1}.tar', 'top.tar'])
  expect(await list('**/y.tar')).toEqual(['x.tar/y.tar'])
  await expect(list('a/{008..127}.tar')).rejects.toThrow('a/011.tar: no such file or folder')
  await expect(list('{a,b}')).rejects.toThrow('a: is a folder;')
  await expect(list('{0..200000}.tar')).rejects.toThrow('its braces name more than 100000 paths')
  await expect(list('none/*.tar')).rejects.toThrow('none: no such file or folder')
  await expect(listFiles('https://x.org/{0..9}.tar', ['.tar'])).rejects.toThrow(
    'https://x.org/0.tar: no such file or folder; only files are read: download it first',
  )
})

it('counts the files of a folder that end with something else', async () => {
  const folder = await temporaryFolder()
  for (const name of ['a.tar', 'a_stats.json', 'a.parquet', 'a.png', '.b.tar'])
    await writeFile(join(folder, name), '')
  const leftOut = new LeftOut()
  const isExpected = (name: string) => name.endsWith('.png')
  expect(await listFiles(folder, ['.tar'], { type: 'tar', leftOut, isExpected })).toEqual([
    join(folder, 'a.tar'),
  ])
  expect(leftOut.summary).toEqual([`left out: 2 other files (first: ${join(folder, 'a.parquet')})`])
  await expect(listFiles(folder, ['.txt'], { type: 'text', leftOut })).rejects.toThrow(
    'holds no files that end with .txt; it holds a.tar, which "type": "tar" reads',
  )
})
