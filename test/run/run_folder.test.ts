import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compare } from '../../lib/cli/compare.js'
import { demo } from '../../lib/cli/demo.js'
import { lockRun } from '../../lib/run/run_folder.js'
import { train } from '../../lib/cli/train.js'
import { temporaryFolder } from '../temporary_folder.js'

describe('lockRun', () => {
  it('leaves alone a config that is not of a run: of a model, or the one that was named', async () => {
    const folder = await temporaryFolder()
    const config = join(folder, 'config.json')
    await writeFile(join(folder, 'words.txt'), 'a b c')
    const text = JSON.stringify({
      data: { type: 'text', path: join(folder, 'words.txt') },
      model: { image: { channels: 1, patch: 4, height: 8, width: 8 } },
      training: { steps: 1 },
    })
    await writeFile(config, text)
    // A second try finds the folder as the first one did.
    for (let i = 0; i < 2; i++)
      await expect(train(config, { out: folder })).rejects.toThrow(
        `${config}: is not of a run, which would write over it; use another --out folder`,
      )
    await expect(demo({ data: 'emoji', minutes: 1, seed: 0, out: folder })).rejects.toThrow('is not of a run')
    expect(await readFile(config, 'utf8')).toBe(text)
    expect((await readdir(folder)).toSorted()).toEqual(['config.json', 'words.txt'])
  })

  it('takes a folder that a run began to use, killed before it had anything to save', async () => {
    const folder = join(await temporaryFolder(), 'run')
    await (await lockRun(folder, 'testing', expect.unreachable))[Symbol.asyncDispose]()
    await writeFile(join(folder, 'config.json'), '{}')
    await using lock = await lockRun(folder, 'testing', expect.unreachable)
    expect(lock.locked).toBe(true)
  })

  it('removes what killed processes left half written, but nothing that may still be written', async () => {
    const folder = join(await temporaryFolder(), 'run')
    await mkdir(folder)
    for (const name of ['run.json.12.0.tmp', 'report.html.13.4.tmp', 'mine.tmp'])
      await writeFile(join(folder, name), '')
    const dayAgo = new Date(Date.now() - 86_400_000)
    for (const name of ['run.json.12.0.tmp', 'mine.tmp']) await utimes(join(folder, name), dayAgo, dayAgo)
    await using _ = await lockRun(folder, 'testing', expect.unreachable)
    expect((await readdir(folder)).toSorted()).toEqual(['.lock', 'mine.tmp', 'report.html.13.4.tmp'])
  })

  it('keeps demo and compare out of a folder that is in use', async () => {
    const out = await temporaryFolder()
    await using _ = await lockRun(out, 'testing', expect.unreachable)
    await expect(demo({ data: 'emoji', minutes: 1, seed: 0, out })).rejects.toThrow('testing since')
    await expect(compare('patches', { steps: 4, seeds: 1, perClass: 10, out })).rejects.toThrow(
      'testing since',
    )
  })
})
