import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { currentFile, replaceFiles } from '../../lib/files/atomic_folder.js'
import { temporaryFolder } from '../temporary_folder.js'

const names = ['a', 'b', 'c']

const write = (folder: string, content: string) =>
  replaceFiles(folder, async (aside) => {
    for (const name of names) await writeFile(join(aside, name), content)
  })

const current = (folder: string) =>
  Promise.all(names.map(async (name) => readFile(await currentFile(folder, name), 'utf8')))

describe('files replaced together', () => {
  it('leave other files alone, and nothing of their own beside them', async () => {
    const folder = join(await temporaryFolder(), 'new', 'folder')
    await write(folder, 'old')
    await writeFile(join(folder, 'note'), 'mine')
    await write(folder, 'new')
    expect(await current(folder)).toEqual(['new', 'new', 'new'])
    expect((await readdir(folder)).toSorted()).toEqual([...names, 'note'])
    expect(await readFile(join(folder, 'note'), 'utf8')).toBe('mine')
  })

  it('stay as they were where writing fails', async () => {
    const folder = await temporaryFolder()
    await write(folder, 'old')
    const failing = replaceFiles(folder, async (aside) => {
      await writeFile(join(aside, 'a'), 'new')
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await current(folder)).toEqual(['old', 'old', 'old'])
    expect((await readdir(folder)).toSorted()).toEqual(names)
  })

  it('are the old ones after a crash while they were written, and the next write tidies up', async () => {
    const folder = await temporaryFolder()
    await write(folder, 'old')
    await mkdir(join(folder, '.incoming'))
    await writeFile(join(folder, '.incoming', 'z'), 'half')
    expect(await current(folder)).toEqual(['old', 'old', 'old'])
    await write(folder, 'next')
    expect(await current(folder)).toEqual(['next', 'next', 'next'])
    expect((await readdir(folder)).toSorted()).toEqual(names)
  })

  it.each([0, 1, 2, 3])('are the new ones after a crash when %d were moved', async (moved) => {
    const folder = await temporaryFolder()
    await write(folder, 'old')
    const committed = join(folder, '.committed')
    await mkdir(committed)
    for (const name of names) await writeFile(join(committed, name), 'new')
    for (const name of names.slice(0, moved)) await rename(join(committed, name), join(folder, name))
    expect(await current(folder)).toEqual(['new', 'new', 'new'])
    await expect(
      replaceFiles(folder, async () => {
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await current(folder)).toEqual(['new', 'new', 'new'])
    expect((await readdir(folder)).toSorted()).toEqual(names)
  })

  it('are not written twice at once', async () => {
    const folder = await temporaryFolder()
    const first = write(folder, 'first')
    await expect(write(`${folder}/`, 'second')).rejects.toThrow(`${folder}/: is still being saved`)
    await first
    await write(folder, 'third')
    expect(await current(folder)).toEqual(['third', 'third', 'third'])
  })
})
