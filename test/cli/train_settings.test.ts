import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writePng } from '../../lib/image/image_io.js'
import { llamaFolder, llamaTokenizerJson, writeConfig } from '../models/transfusion/io/llama_folder.js'
import { temporaryFolder } from '../temporary_folder.js'
import { command } from './command.js'

const config = `\ufeff{
  // Two pictures.
  "$schema": "https://example.org/train.json",
  "data": { "type": "folder", "path": "pictures" },
  "model": {
    "layers": 1, "channels": 48, "heads": 2,
    "image": { "channels": 3, "patch": 4, "height": 8, "width": 8 },
  },
  "training": { "steps": 300, "batchSize": 2 },
  "samples": { "steps": 2 },
}
`

/** A folder with a config and two pictures in a folder of its own. */
async function workplace(): Promise<string> {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'configs', 'pictures'), { recursive: true })
  await writeFile(join(folder, 'configs', 'train.json'), config)
  for (const [i, caption] of ['dark', 'light'].entries()) {
    const data = new Uint8Array(192).fill(i * 255)
    await writePng(join(folder, 'configs', 'pictures', `${caption}.png`), {
      width: 8,
      height: 8,
      channels: 3,
      data,
    })
    await writeFile(join(folder, 'configs', 'pictures', `${caption}.txt`), caption)
  }
  return folder
}

const train = (folder: string, out: string, ...more: string[]) =>
  command(['train', 'configs/train.json', '--out', out, ...more], { cwd: folder })
const settings = (...texts: string[]) => texts.flatMap((text) => ['--set', text])

it('tells the version', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  const { code, stdout } = await command(['--version'], { cwd: '.' })
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${version}\n` })
})

describe('transfusion train', () => {
  it('reads a config with comments whose paths are relative to it, and --set changes it', async () => {
    const folder = await workplace()
    const run = await train(
      folder,
      'set',
      ...settings('training.steps=2', 'training.learningRate.warmupSteps=7', 'precision=f32'),
    )
    expect(run.stderr).toContain('learningRate.warmupSteps: 7 of 2 steps')
    expect(run.code).toBe(0)
    expect(run.stdout).toContain(
      'layers 1, channels 48, heads 2, feedForward 256, 4 patches per image (2 x 2, 48 values each), 7 tokens, ',
    )
    expect(run.stdout).toContain('2 steps; the model is in set/model')
    const recorded = JSON.parse(await readFile(join(folder, 'set', 'config.json'), 'utf8'))
    expect(recorded).toMatchObject({
      data: { path: join(folder, 'configs', 'pictures') },
      training: { steps: 2, learningRate: { warmupSteps: 7 } },
    })
    expect(recorded).not.toHaveProperty('$schema')
  })

  it('takes paths of --set from the working folder', async () => {
    const folder = await workplace()
    const run = await train(folder, 'moved', ...settings('training.steps=1', 'data.path=configs/pictures'))
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const missing = await train(folder, 'missing', ...settings('data.path=pictures'))
    expect(missing).toMatchObject({ code: 1, stderr: expect.not.stringContaining('configs') })
  })

  it.each([
    [
      ['samples.sampler=euler'],
      'samples: sampler: name must be ddpm, ddim, dpmpp for a model that was trained with ddpm, received euler',
    ],
    [['samples.prompts=["dark","a <|boi|>"]'], 'samples.prompts[1]: encode: text must not spell <|boi|>'],
    [['model.image.height=10'], 'model.image.height: expected a multiple of the patch size (4); received 10'],
    [['training.stepz=3'], 'training.stepz: unknown key; did you mean "steps"?'],
    [
      ['imagePreprocessing.width=6'],
      "imagePreprocessing:\n  width: expected a multiple of the model's patch size (4)",
    ],
  ])('refuses %j before the first step', async (texts, message) => {
    const folder = await workplace()
    const run = await train(folder, 'refused', ...settings(...texts))
    expect(run).toMatchObject({ code: 1, stdout: '' })
    expect(run.stderr).toContain('transfusion: configs/train.json:')
    expect(run.stderr).toContain(message)
    await expect(access(join(folder, 'refused', 'checkpoints'))).rejects.toThrow('ENOENT')
  })

  it("begins with a model's settings where the config does not name them", async () => {
    const folder = await workplace()
    const first = ['image.positions=sincos', 'ropeTheta=500', 'feedForward=100'].map(
      (text) => `model.${text}`,
    )
    const objective = ['prediction=v', 'weighting=v'].map((text) => `objective.${text}`)
    expect(
      await train(folder, 'first', ...settings('training.steps=1', ...first, ...objective)),
    ).toMatchObject({ code: 0 })
    const next = await train(folder, 'next', '--init', 'first/model', ...settings('training.steps=1'))
    expect(next).toMatchObject({ code: 0, stderr: '' })
    const model = (run: string) => readFile(join(folder, run, 'model', 'config.json'), 'utf8')
    const { checksums: _, ...stored } = JSON.parse(await model('first'))
    expect(JSON.parse(await model('next'))).toMatchObject(stored)
    const other = await train(
      folder,
      'other',
      '--init',
      'first/model',
      ...settings('model.image.positions=rotary'),
    )
    expect(other.stderr).toContain('image.positions is "sincos", expected "rotary"')
  })

  it('gives images weights of their own where the config says so, and does not take them away', async () => {
    const folder = await workplace()
    const run = (name: string, init: string[], weights?: string) =>
      train(
        folder,
        name,
        ...init,
        ...settings('training.steps=1', ...(weights ? [`model.image.weights=${weights}`] : [])),
      )
    expect(await run('first', [])).toMatchObject({ code: 0 })
    const grown = await run('grown', ['--init', 'first/model'], 'all')
    expect(grown).toMatchObject({ code: 0, stderr: '' })
    expect(grown.stdout).toContain('image weights all')
    const further = await run('further', ['--init', 'grown/model'])
    expect(further).toMatchObject({ code: 0, stderr: '' })
    const { model } = JSON.parse(await readFile(join(folder, 'further', 'model', 'config.json'), 'utf8'))
    expect(model.image.weights).toBe('all')
    const less = await run('less', ['--init', 'grown/model'], 'feed-forward')
    expect(less.stderr).toContain('image.weights is "all", expected "feed-forward"')
  })

  it("begins with a Llama's sizes where the config does not name them", async () => {
    const folder = await workplace()
    const llama = await llamaFolder()
    await writeConfig(llama, {
      rope_parameters: { rope_type: 'default', rope_theta: 250_000 },
      rms_norm_eps: 1e-6,
    })
    await writeFile(join(llama, 'tokenizer.json'), JSON.stringify(llamaTokenizerJson({})))
    const sizes = ['layers', 'channels', 'heads'].map((name) => `model.${name}=null`)
    const run = await train(folder, 'grown', '--init', llama, ...settings('training.steps=1', ...sizes))
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const { model } = JSON.parse(await readFile(join(folder, 'grown', 'model', 'config.json'), 'utf8'))
    expect(model).toMatchObject({ ropeTheta: 250_000, normEps: 1e-6, channels: 64 })
  })
})
