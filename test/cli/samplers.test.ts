import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { samplers, type SamplersOptions } from '../../lib/cli/samplers.js'
import { conclusion, tableLine } from '../../lib/cli/terminal/samplers_table.js'
import { IdxDataset } from '../../lib/data/sources/idx/idx_dataset.js'
import type { SamplerMetrics } from '../../lib/evaluation/compare_samplers.js'
import { evaluateClasses } from '../../lib/evaluation/classes/evaluate_classes.js'
import { Transfusion } from '../../lib/transfusion.js'
import { temporaryFolder } from '../temporary_folder.js'
import { captions, classNames, saveClassModel, writeClasses } from './class_folder.js'

let folder: string

beforeEach(async () => {
  folder = await temporaryFolder()
})

/** Runs the command with a config; what it said, and the file that it wrote. */
async function run(config: object, options: SamplersOptions = {}) {
  const path = join(folder, 'samplers-config.json')
  await writeFile(path, JSON.stringify(config))
  const spoken: string[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => spoken.push(String(text)) > 0)
  try {
    await samplers(join(folder, 'model'), path, options)
  } finally {
    spy.mockRestore()
  }
  const file = JSON.parse(await readFile(join(folder, 'samplers.json'), 'utf8'))
  return { said: spoken.join(''), file: file as { settings: SamplerMetrics[]; [key: string]: unknown } }
}

describe('transfusion samplers', () => {
  it('measures each sampler with each number of steps as eval does, the reference first', async () => {
    await saveClassModel(join(folder, 'model'))
    const data = await writeClasses(folder)
    const { said, file } = await run(
      { data, steps: [1, 3], samplers: ['ddpm', 'ddim'], seed: 9 },
      { perClass: 4, seed: 5, guidance: 2 },
    )
    expect(file).toMatchObject({ seed: 5, perClass: 4, guidance: 2, samplers: ['ddpm', 'ddim'] })
    expect(file.settings.map(({ sampler, steps, calls }) => [sampler, steps, calls])).toEqual(
      ['ddpm', 'ddim'].flatMap((name) => [3, 1].map((steps) => [name, steps, steps])),
    )
    using model = await Transfusion.load(join(folder, 'model'))
    const open = ({ images, labels }: { images: string; labels: string }) =>
      IdxDataset.open({ imagesPath: images, labelsPath: labels, classNames, templates: ['{a label}'] })
    const opened = { training: await open(data.training), test: await open(data.test), captions }
    const { metrics } = await evaluateClasses(model, opened, {
      seed: 5,
      perClass: 4,
      images: { sampler: 'ddim', steps: 3, guidance: 2 },
      described: 0,
      ranked: 0,
    })
    const { image_accuracy, diversity, frechet } = metrics
    expect(file.settings[2]!.metrics).toEqual({ image_accuracy, diversity, frechet })
    expect(said).toMatch(/\nddpm +3 +3 .*\(the reference\)\nddpm +1 +1 /)
    expect(said).toMatch(/quality of ddpm with 3 steps/)
    expect(said).toContain('over 8 images')
  })

  it("takes a flow's samplers for a flow, and counts Heun's calls", async () => {
    await saveClassModel(join(folder, 'model'), 'flow')
    const { file } = await run({ data: await writeClasses(folder), steps: [3], perClass: 3 })
    expect(file.settings.map(({ sampler, calls }) => [sampler, calls])).toEqual([
      ['euler', 3],
      ['heun', 5],
    ])
  })

  it('refuses what it cannot do before it generates anything', async () => {
    await saveClassModel(join(folder, 'model'))
    const data = await writeClasses(folder)
    await expect(run({ data }, { samplers: ['euler'] })).rejects.toThrow(
      'for a model that was trained with ddpm, received euler',
    )
    await expect(run({ data }, { perClass: 2 })).rejects.toThrow('perClass: expected number to be >=3')
    await expect(run({ data, step: [1] })).rejects.toThrow('did you mean "steps"?')
    await expect(run({ data }, { steps: [0] })).rejects.toThrow('steps[0]')
  })
})

describe('the table', () => {
  const errors = { image_accuracy: 0.01, diversity: 0.01, frechet: 1 }
  const setting = (sampler: 'ddpm' | 'ddim', steps: number, frechet: number): SamplerMetrics => ({
    sampler,
    steps,
    calls: steps,
    metrics: { image_accuracy: 0.9, diversity: 0.8, frechet },
    errors,
    secondsPerImage: 0.0123,
  })
  const reference = setting('ddpm', 250, 20)

  it('names the metrics in which a setting is worse', () => {
    expect(tableLine(reference, reference)).toMatch(/^ddpm +250 +250 +90.0 ± 1.0 .*\(the reference\)$/)
    expect(tableLine(setting('ddim', 5, 30), reference)).toMatch(/30\.00 ± 1\.00 +0\.0123 +Fréchet$/)
    expect(tableLine(setting('ddim', 10, 21), reference)).toMatch(/ none$/)
  })

  it('ends with the cheapest setting that keeps the quality, and what that means', () => {
    const text = conclusion([reference, setting('ddim', 10, 21), setting('ddim', 5, 30)], 500)
    expect(text).toContain('keeps the quality of ddpm with 250 steps is ddim with 10 steps: 10 calls')
    expect(text).toContain('two standard errors of the difference')
    expect(conclusion([reference, setting('ddim', 5, 30)], 500)).toContain('No cheaper setting keeps')
  })
})
