import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { trainFromConfig } from '../../lib/run/train_from_config.js'
import type { WrittenTrainConfig } from '../../lib/run/train_config.js'
import { temporaryFolder } from '../temporary_folder.js'
import { command } from './command.js'

const config = {
  data: { type: 'text', path: 'words.txt' },
  model: { image: { channels: 1, patch: 4, height: 8, width: 8 } },
  training: { steps: 1 },
} satisfies WrittenTrainConfig

const reason =
  `device must be 'cpu', received "cuda": this build has no CUDA backend: ` +
  'TRANSFUSION_CUDA_LIBRARY=none names no file'

it.each([
  ['train', 'config.json'],
  ['sample', 'model'],
  ['caption', 'model', 'a.png'],
  ['chat', 'model'],
  ['eval', 'model'],
  ['samplers', 'model'],
  ['compare', 'patches'],
  ['demo'],
])('refuses a device that is not there before %s makes or reads anything', async (...args) => {
  const cwd = await temporaryFolder()
  await writeFile(join(cwd, 'config.json'), JSON.stringify(config))
  const { code, stderr } = await command([...args, '--device', 'cuda'], { cwd })
  expect({ code, stderr }).toEqual({ code: 1, stderr: `transfusion: --device: ${reason}\n` })
  expect(await readdir(cwd)).toEqual(['config.json'])
})

it('refuses a device of a config by its form, and by name where it is not there', async () => {
  const cwd = await temporaryFolder()
  await writeFile(join(cwd, 'words.txt'), 'a b')
  const data = { type: 'text', path: join(cwd, 'words.txt') } as const
  const train = (device: string) => trainFromConfig({ ...config, data, device }, { out: join(cwd, 'run') })
  await expect(train('gpu')).rejects.toThrow(
    'config:\n  device: expected "cpu", "cuda" or "cuda:N"; received "gpu"',
  )
  await expect(train('cuda')).rejects.toThrow(`config: ${reason}`)
  expect(await readdir(cwd)).toEqual(['words.txt'])
  await mkdir(join(cwd, 'model'))
  await writeFile(join(cwd, 'model', 'config.json'), '{"architecture": "transfusion"}')
  for (const name of ['eval', 'samplers']) {
    const tasks = name === 'eval' ? { tasks: [{ type: 'classes' }] } : {}
    await writeFile(join(cwd, 'config.json'), JSON.stringify({ ...tasks, device: 'cuda' }))
    const { code, stderr } = await command([name, 'model', 'config.json'], { cwd })
    expect({ code, stderr }).toEqual({ code: 1, stderr: `transfusion: config.json: ${reason}\n` })
  }
})
