import { copyFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'
import { command } from './command.js'

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/images/${name}`, import.meta.url))

it('warns at the start of sizes that generate badly, and generates from captions of any script', async () => {
  const cwd = await temporaryFolder()
  await copyFile(fixture('sos.jpg'), join(cwd, 'a.jpg'))
  await writeFile(join(cwd, 'a.txt'), '红色的猫')
  const image = { channels: 3, patch: 8, height: 8, width: 8 }
  const config = {
    data: { type: 'folder', path: '.' },
    model: { layers: 1, channels: 32, heads: 2, feedForward: 64, image },
    training: { steps: 1, batchSize: 1, learningRate: { warmupSteps: 0 } },
    samples: { steps: 2, prompts: ['红色的猫', 'a zebra'] },
  }
  await writeFile(join(cwd, 'config.json'), JSON.stringify(config))
  const { code, stderr, stdout } = await command(['train', 'config.json', '--out', 'run'], { cwd })
  expect({ code, stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^1 document\n[^]*1 steps/),
  })
  expect(stderr).toContain(`samples.prompts: the model's tokenizer does not know "a", "zebra"`)
  expect(stderr).toContain("a patch of 8 x 8 x 3 has 192 values, more than the model's 32 channels")
  expect(await readdir(join(cwd, 'run'))).toContain('samples-0000001.png')
  // The run lies among its data, and has pictures of its own now.
  const resumed = await command(['train', 'config.json', '--out', 'run', '--set', 'training.steps=2'], {
    cwd,
  })
  expect(resumed.code).toBe(0)
  expect(resumed.stdout).toMatch(/\n1 document\n[^]*left out: 1 folder of a run \(run\)/)
})
