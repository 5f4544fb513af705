import { existsSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AppendFile } from '../../lib/reporting/append_file.js'
import { temporaryFolder } from '../temporary_folder.js'

describe('AppendFile', () => {
  it('writes what a full disk refused once there is room, without a gap or a torn piece', async () => {
    const path = join(await temporaryFolder(), 'log')
    const file = await open(path, 'w')
    let full = false
    const appending = new AppendFile(
      path,
      {
        datasync: () => file.datasync(),
        close: () => file.close(),
        // A disk that fills up takes half of what it is given.
        write: async (data: Uint8Array, offset: number, length: number, position: number) => {
          if (!full) return file.write(data, offset, length, position)
          await file.write(data, offset, length >> 1, position)
          throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
        },
      } as never,
      0,
    )
    appending.append('one\n')
    await appending.flush()
    full = true
    appending.append('two\n')
    await expect(appending.flush()).rejects.toThrow(
      `${path}: no space is left to write it (4 bytes are needed`,
    )
    appending.append('three\n')
    await expect(appending.flush()).rejects.toThrow('10 bytes are needed')
    full = false
    await Promise.all([appending.flush(), appending.flush()])
    appending.append('four\n')
    await appending.close()
    expect(await readFile(path, 'utf8')).toBe('one\ntwo\nthree\nfour\n')
  })

  it('cuts a file off before it goes on', async () => {
    const path = join(await temporaryFolder(), 'log')
    for (const length of [0, 3, 0]) {
      const file = await AppendFile.open(path, length)
      file.append('abcdef')
      await file.close()
    }
    expect(await readFile(path, 'utf8')).toBe('abcdef')
    const file = await AppendFile.open(path, 2)
    file.append('!')
    await file.close()
    expect(await readFile(path, 'utf8')).toBe('ab!')
  })

  it.skipIf(!existsSync('/dev/full'))('says that a disk is full', async () => {
    const file = await AppendFile.open('/dev/full')
    file.append('one')
    await expect(file.close()).rejects.toThrow('/dev/full: no space is left to write it')
  })
})
