import { execFileSync } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { LeftOut } from '../../../../lib/data/left_out.js'
import { filesUnder } from '../../../../lib/data/sources/files/folder_files.js'
import { temporaryFolder } from '../../../temporary_folder.js'

it('lists files at any depth, in an order that is the same everywhere', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'b', 'c.png'), { recursive: true })
  for (const name of ['b/c.png/z', 'b.txt', 'B.txt', 'b/a']) await writeFile(join(folder, name), '')
  expect(await filesUnder(folder)).toEqual(['B.txt', 'b.txt', 'b/a', 'b/c.png/z'])
  expect(await filesUnder(folder, { depth: 2 })).toEqual(['B.txt', 'b.txt', 'b/a'])
  await expect(filesUnder(join(folder, 'b.txt'))).rejects.toThrow(/b\.txt: cannot be read \(ENOTDIR/)
})

it('passes over what systems, editors and archivers leave behind', async () => {
  const folder = await temporaryFolder()
  for (const name of [
    '.git',
    '.ipynb_checkpoints',
    '__MACOSX',
    '@eaDir',
    '.Trashes',
    '$RECYCLE.BIN',
    'System Volume Information',
    'lost+found',
    '__pycache__',
    'PaxHeaders.1234',
  ]) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'a.txt'), '')
  }
  for (const name of ['._a.txt', '.DS_Store', 'Thumbs.db', 'DESKTOP.INI', 'a.txt~', '~$a.txt', '#a.txt#'])
    await writeFile(join(folder, name), '')
  for (const name of ['a.txt', '~a', '#1.txt', 'dots.in.name']) await writeFile(join(folder, name), '')
  expect(await filesUnder(folder)).toEqual(['#1.txt', 'a.txt', 'dots.in.name', '~a'])
})

it('visits a folder once, whatever links lead to it', async () => {
  const above = await temporaryFolder()
  const folder = join(above, 'shots')
  const elsewhere = await temporaryFolder()
  await mkdir(join(folder, 'deep'), { recursive: true })
  await writeFile(join(above, 'beside.txt'), '')
  await writeFile(join(folder, 'deep', 'a.txt'), '')
  await writeFile(join(elsewhere, 'b.txt'), '')
  await symlink('deep', join(folder, 'aa'))
  await symlink(folder, join(folder, 'deep', 'root'))
  await symlink(above, join(folder, 'deep', 'above'))
  await symlink('/', join(folder, 'all'))
  await symlink(elsewhere, join(folder, 'other'))
  await symlink(elsewhere, join(folder, 'deep', 'other'))
  await symlink(join(elsewhere, 'b.txt'), join(folder, 'link.txt'))
  await symlink('nothing', join(folder, 'broken.txt'))
  await symlink('self', join(folder, 'self'))
  expect(await filesUnder(folder)).toEqual([
    'broken.txt',
    'deep/a.txt',
    'deep/other/b.txt',
    'link.txt',
    'self',
  ])
})

it('counts pipes instead of waiting for them', async () => {
  const folder = await temporaryFolder()
  execFileSync('mkfifo', [join(folder, 'a.txt')])
  await symlink('a.txt', join(folder, 'b.txt'))
  const leftOut = new LeftOut()
  expect(await filesUnder(folder, { leftOut })).toEqual([])
  expect(leftOut.summary).toEqual([`left out: 2 pipes, sockets or devices (first: ${join(folder, 'a.txt')})`])
})

it('passes over runs that lie in the data, and counts them', async () => {
  const folder = await temporaryFolder()
  for (const run of ['out', 'runs/first']) {
    await mkdir(join(folder, run, 'model'), { recursive: true })
    for (const name of ['.lock', 'config.json', 'samples-0000100.png', 'samples-0000100.json'])
      await writeFile(join(folder, run, name), '')
  }
  await writeFile(join(folder, 'runs', 'config.json'), '')
  const leftOut = new LeftOut()
  expect(await filesUnder(folder, { leftOut })).toEqual(['runs/config.json'])
  expect(leftOut.summary).toEqual([`left out: 2 folders of runs (first: ${join(folder, 'out')})`])
  expect(await filesUnder(join(folder, 'out'))).toHaveLength(3)
})
