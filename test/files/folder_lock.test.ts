import { spawn } from 'node:child_process'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { lockFolder } from '../../lib/files/folder_lock.js'
import { native } from '../../lib/native.js'
import { temporaryFolder } from '../temporary_folder.js'

const program = `
  const { lockFolder } = await import(${JSON.stringify(new URL('../../dist/files/folder_lock.js', import.meta.url).href)})
  await lockFolder(process.argv[1], 'testing')
  process.stdout.write('locked')
  setInterval(() => {}, 1000)`

/** A process that has a folder locked. */
async function holder(folder: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, folder], { stdio: 'pipe' })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  let errors = ''
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.once('exit', () => reject(new Error(errors)))
  })
  return { child, ended }
}

it('keeps another process out, says which one is in, and lets in once that was killed', async () => {
  const folder = join(await temporaryFolder(), 'run with é and blanks')
  const { child, ended } = await holder(folder)
  await expect(lockFolder(folder, 'testing')).rejects.toThrow(
    `${folder}: process ${child.pid} on ${hostname()}, testing since `,
  )
  // What another tool copies is not locked.
  const copy = `${folder}-copy`
  await cp(folder, copy, { recursive: true })
  await (await lockFolder(copy, 'testing'))[Symbol.asyncDispose]()
  child.kill('SIGKILL')
  await ended
  const lock = await lockFolder(folder, 'testing')
  expect(lock.locked).toBe(true)
  expect(JSON.parse(await readFile(join(folder, '.lock'), 'utf8'))).toMatchObject({ pid: process.pid })
  await lock[Symbol.asyncDispose]()
})

it('keeps out the same process, too, until the lock is given back', async () => {
  const folder = await temporaryFolder()
  {
    await using _ = await lockFolder(folder, 'testing')
    await expect(lockFolder(folder, 'testing')).rejects.toThrow('or take another folder with --out')
  }
  await using again = await lockFolder(folder, 'testing')
  expect(again.locked).toBe(true)
})

it('says so where the file system has no locks', async () => {
  const without = vi.spyOn(native, 'lock_file').mockReturnValue(95)
  await using lock = await lockFolder(await temporaryFolder(), 'testing')
  expect(lock.locked).toBe(false)
  without.mockRestore()
})

it('names a file that is where the folder should be', async () => {
  const path = join(await temporaryFolder(), 'file')
  await writeFile(path, '')
  for (const folder of [path, join(path, 'run'), join(path, 'a', 'run')])
    await expect(lockFolder(folder, 'testing')).rejects.toThrow(
      `${folder}: a run cannot be written there (it, or a part of its path, is a file)`,
    )
})
