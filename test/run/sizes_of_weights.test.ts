import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withSizesOfWeights } from '../../lib/run/sizes_of_weights.js'
import { readModelConfig } from '../../lib/models/transfusion/io/folder_config.js'
import { idxFile } from '../data/sources/idx/idx_file.js'
import { llamaFolder, llamaTokenizerJson, writeConfig } from '../models/transfusion/io/llama_folder.js'
import { command } from '../cli/command.js'

const image = { channels: 1, patch: 4, height: 8, width: 8 }
/** 1e-5 as f32, which tools leave in configs. */
const rounded = 0.000009999999747378752

/** A Llama with a tokenizer beside a config for two steps on two pictures. */
async function workplace() {
  const folder = await llamaFolder()
  await writeConfig(folder, { rope_parameters: { rope_theta: 100_000 }, rms_norm_eps: rounded })
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(llamaTokenizerJson({})))
  await writeFile(
    join(folder, 'images'),
    idxFile(
      [2, 8, 8],
      Array.from({ length: 128 }, (_, i) => 2 * i),
    ),
  )
  await writeFile(join(folder, 'labels'), idxFile([2], [0, 1]))
  return folder
}

const trainConfig = (folder: string, model: object = { image }) => ({
  data: {
    type: 'idx',
    images: join(folder, 'images'),
    labels: join(folder, 'labels'),
    classNames: ['w7', 'w8'],
  },
  model,
  training: { steps: 2, batchSize: 2, learningRate: { peak: 1e-3, warmupSteps: 1 } },
  samples: { every: 1000, steps: 1, prompts: ['w7'] },
})

const sizes = {
  layers: 2,
  channels: 64,
  heads: 4,
  kvHeads: 2,
  feedForward: 172,
  ropeTheta: 100_000,
  normEps: rounded,
}

async function transfusion(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await command(args, { cwd })
  return { code, output: stdout + stderr }
}

const jsonOf = async (...path: string[]) => JSON.parse(await readFile(join(...path), 'utf8'))

describe('what a config leaves to the weights', () => {
  it("is taken from a Llama's config, but for what is set", async () => {
    const folder = await workplace()
    const completed = (model: object) =>
      withSizesOfWeights(trainConfig(folder, model), join(folder, 'run'), folder)
    expect(await completed({ image })).toMatchObject({ model: { ...sizes, image } })
    // As the weights have it, where the two are one number.
    expect(await completed({ image, normEps: 1e-5 })).toMatchObject({ model: { normEps: rounded } })
    expect(await completed({ image, normEps: 1.1e-5 })).toMatchObject({ model: { normEps: 1.1e-5 } })
    expect(await withSizesOfWeights('no config', join(folder, 'run'), folder)).toBe('no config')
  })

  it('is no size of a preset, which is refused by name', async () => {
    const folder = await workplace()
    const config = trainConfig(folder, { preset: '0.16B', image, layers: 2 })
    await expect(withSizesOfWeights(config, join(folder, 'run'), folder)).rejects.toThrow(
      `model.preset: "0.16B" has channels 768, the weights of ${folder} have 64; leave the preset out`,
    )
  })

  it('is recorded in the run, which goes on with --init and without', async () => {
    const folder = await workplace()
    const write = (model: object) =>
      writeFile(join(folder, 'train.json'), JSON.stringify(trainConfig(folder, model)))
    const train = (...options: string[]) => transfusion(folder, 'train', 'train.json', ...options)
    await write({ image })
    expect(await train('--init', '.', '--out', 'run')).toMatchObject({ code: 0 })
    expect((await jsonOf(folder, 'run', 'config.json')).model).toMatchObject({ ...sizes, image })
    expect((await readModelConfig(join(folder, 'run', 'model'))).model).toMatchObject(sizes)
    const goingOn = { code: 0, output: expect.stringContaining('this run has finished, with 2 steps') }
    expect(await train('--out', 'run')).toMatchObject(goingOn)
    expect(await train('--init', '.', '--out', 'run')).toMatchObject(goingOn)
    await write({ image, ropeTheta: 100_000, normEps: 1e-5 })
    expect(await train('--out', 'run')).toMatchObject(goingOn)
  })

  it("is all of a model folder's, whose objective counts too", async () => {
    const folder = await workplace()
    const { model: _, ...config } = trainConfig(folder)
    const first = {
      ...config,
      model: { layers: 1, channels: 16, heads: 2, image: { ...image, timestep: 'after' } },
    }
    await writeFile(join(folder, 'train.json'), JSON.stringify({ ...first, objective: { prediction: 'v' } }))
    expect(await transfusion(folder, 'train', 'train.json', '--out', 'run')).toMatchObject({ code: 0 })
    await writeFile(join(folder, 'more.json'), JSON.stringify(config))
    const options = ['--init', 'run/model', '--out', 'more']
    expect(await transfusion(folder, 'train', 'more.json', ...options)).toMatchObject({ code: 0 })
    expect(await jsonOf(folder, 'more', 'config.json')).toMatchObject({
      model: { layers: 1, channels: 16, kvHeads: 2, image: { timestep: 'after', patch: 4 } },
      objective: { prediction: 'v' },
    })
  })
})
