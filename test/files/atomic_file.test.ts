import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { writeAtomically } from '../../lib/files/atomic_file.js'
import { temporaryFolder } from '../temporary_folder.js'

it('keeps the old file, and nothing else, where writing fails half-way', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'weights')
  await writeFile(path, 'old')
  const failing = writeAtomically(path, async (file) => {
    await file.writeFile('half of the ne')
    throw new Error('disk full')
  })
  await expect(failing).rejects.toThrow('disk full')
  expect(await readFile(path, 'utf8')).toBe('old')
  expect(await readdir(folder)).toEqual(['weights'])
})

it('shows the new content only once it is whole', async () => {
  const path = join(await temporaryFolder(), 'weights')
  await writeFile(path, 'old')
  await writeAtomically(path, async (file) => {
    await file.writeFile('new')
    expect(await readFile(path, 'utf8')).toBe('old')
  })
  expect(await readFile(path, 'utf8')).toBe('new')
})

it('says how much space is missing where the disk is full', async () => {
  const path = join(await temporaryFolder(), 'weights')
  await writeFile(path, 'old')
  const full = async () => {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  }
  await expect(writeAtomically(path, full, 1234)).rejects.toThrow(
    /weights: no space is left to write it \(1234 bytes are needed, \d+ are free\); what was there before is unchanged/,
  )
  await expect(writeAtomically(path, full)).rejects.toThrow(/to write it \(\d+ are free\)/)
  expect(await readFile(path, 'utf8')).toBe('old')
})

it('writes what is given: text, or bytes', async () => {
  const path = join(await temporaryFolder(), 'file')
  await writeAtomically(path, 'é')
  expect(await readFile(path, 'utf8')).toBe('é')
  await writeAtomically(path, Uint8Array.of(1, 2))
  expect([...(await readFile(path))]).toEqual([1, 2])
})
