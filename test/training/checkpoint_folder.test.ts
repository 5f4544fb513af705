import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CheckpointFolder } from '../../lib/training/checkpoint_folder.js'
import { temporaryFolder } from '../temporary_folder.js'

const fill = (text: string) => (folder: string) => writeFile(join(folder, 'state'), text)

describe('CheckpointFolder', () => {
  it('keeps the latest, and knows which is', async () => {
    const folder = new CheckpointFolder(join(await temporaryFolder(), 'run', 'checkpoints'), 2)
    expect(await folder.latest()).toBeUndefined()
    const file = join(await temporaryFolder(), 'config.json')
    await writeFile(file, '')
    expect(await new CheckpointFolder(join(file, 'checkpoints'), 1).latest()).toBeUndefined()
    for (const step of [5, 70, 800]) await folder.add(step, fill(`${step}`))
    expect((await readdir(folder.path)).toSorted()).toEqual(['step-000000070', 'step-000000800'])
    expect(await folder.latest()).toBe(join(folder.path, 'step-000000800'))
    await folder.add(1_234_567_890, fill('late'))
    expect(await readFile(join((await folder.latest())!, 'state'), 'utf8')).toBe('late')
  })

  it('replaces a checkpoint of the same step', async () => {
    const folder = new CheckpointFolder(await temporaryFolder(), 2)
    for (const text of ['first', 'second']) await folder.add(3, fill(text))
    expect(await readFile(join((await folder.latest())!, 'state'), 'utf8')).toBe('second')
    expect(await readdir(folder.path)).toEqual(['step-000000003'])
  })

  it('leaves what was there when a checkpoint cannot be written', async () => {
    const folder = new CheckpointFolder(await temporaryFolder(), 1)
    await folder.add(1, fill('whole'))
    const full = async (path: string) => {
      await fill('ha')(path)
      throw new Error('no space left on device')
    }
    await expect(folder.add(2, full)).rejects.toThrow('no space left on device')
    expect(await readdir(folder.path)).toEqual(['step-000000001'])
  })

  it('makes room on a full disk by keeping the latest alone', async () => {
    const folder = new CheckpointFolder(await temporaryFolder(), 3)
    for (const step of [1, 2, 3]) await folder.add(step, fill('whole'))
    const fitting = (room: number) => async (path: string) => {
      await fill('ha')(path)
      if ((await readdir(folder.path)).length > room)
        throw new Error('no space is left', { cause: Object.assign(new Error(), { code: 'ENOSPC' }) })
    }
    await folder.add(4, fitting(2))
    expect((await readdir(folder.path)).toSorted()).toEqual(['step-000000003', 'step-000000004'])
    await expect(folder.add(5, fitting(1))).rejects.toThrow('no space is left')
    expect(await readdir(folder.path)).toEqual(['step-000000004'])
  })

  it('removes what a killed process has left, and never takes it for a checkpoint', async () => {
    const folder = new CheckpointFolder(await temporaryFolder(), 3)
    await mkdir(join(folder.path, 'unfinished-step-000000009'))
    await writeFile(join(folder.path, 'unfinished-step-000000009', 'state'), 'ha')
    await mkdir(join(folder.path, 'notes'))
    expect(await folder.latest()).toBeUndefined()
    await folder.add(1, fill('whole'))
    expect((await readdir(folder.path)).toSorted()).toEqual(['notes', 'step-000000001'])
  })

  describe('resumes', () => {
    const reading = (damaged: readonly string[]) => async (path: string) => {
      const state = await readFile(join(path, 'state'), 'utf8')
      if (damaged.includes(state)) throw new Error(`${path}: damaged`)
    }

    async function checkpoints(): Promise<CheckpointFolder> {
      const folder = new CheckpointFolder(await temporaryFolder(), 3)
      for (const step of [1, 2, 3]) await folder.add(step, fill(`${step}`))
      return folder
    }

    it('from the latest that can be read; those after it are kept aside, and not counted', async () => {
      const folder = await checkpoints()
      const path = (name: string) => join(folder.path, name)
      const messages: string[] = []
      const note = (message: string) => void messages.push(message)
      expect(await folder.resume(reading(['3', '2']), note)).toBe(path('step-000000001'))
      expect(messages).toEqual(
        ['step-000000003', 'step-000000002'].map(
          (name) =>
            `${path(name)}: damaged; going on from ${path('step-000000001')} instead; ` +
            `the damaged checkpoint is now ${path(`damaged-${name}`)}`,
        ),
      )
      for (const step of [2, 3, 4]) await folder.add(step, fill(`new ${step}`))
      expect((await readdir(folder.path)).toSorted()).toEqual([
        'damaged-step-000000002',
        'damaged-step-000000003',
        'step-000000002',
        'step-000000003',
        'step-000000004',
      ])
      // The same step may be damaged again.
      expect(await folder.resume(reading(['new 4', 'new 3']))).toBe(path('step-000000002'))
      expect(await readFile(path('damaged-step-000000003-2/state'), 'utf8')).toBe('new 3')
      expect(await readFile(path('damaged-step-000000003/state'), 'utf8')).toBe('3')
    })

    it('from none, and leaves all where they are, when none can be read', async () => {
      const folder = await checkpoints()
      await expect(folder.resume(reading(['1', '2', '3']))).rejects.toThrow(
        /no checkpoint there can be read.*\n  step-000000003: .*damaged\n.*\n  step-000000001: .*damaged$/,
      )
      expect(await readdir(folder.path)).toHaveLength(3)
    })

    it('from nothing where there is none', async () => {
      const folder = new CheckpointFolder(join(await temporaryFolder(), 'none'), 3)
      expect(await folder.resume(reading([]))).toBeUndefined()
    })
  })
})
