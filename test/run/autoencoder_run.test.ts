import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { writePng } from '../../lib/image/image_io.js'
import { readModelConfig } from '../../lib/models/transfusion/io/folder_config.js'
import { trainFromConfig } from '../../lib/run/train_from_config.js'
import type { WrittenTrainConfig } from '../../lib/run/train_config.js'
import { memory } from '../../lib/tensor/device.js'
import { Transfusion } from '../../lib/transfusion.js'
import { command } from '../cli/command.js'
import { temporaryFolder } from '../temporary_folder.js'
import { tinyRun } from './tiny_run.js'

/** 4 pixels for each position of 4 channels. */
const autoencoder = fileURLToPath(new URL('../fixtures/autoencoders/sd', import.meta.url))

async function workplace(): Promise<{ folder: string; config: WrittenTrainConfig }> {
  const folder = await temporaryFolder()
  const pictures = join(folder, 'pictures')
  await mkdir(pictures)
  for (const [i, caption] of ['bag', 'coat', 'bag', 'coat'].entries()) {
    const data = new Uint8Array(32 * 32 * 3).fill(40 + 50 * i)
    await writePng(join(pictures, `${i}.png`), { width: 32, height: 32, channels: 3, data })
    await writeFile(join(pictures, `${i}.txt`), caption)
  }
  await cp(autoencoder, join(folder, 'vae'), { recursive: true })
  const { model } = tinyRun(folder)
  const config: WrittenTrainConfig = {
    data: { type: 'folder', path: pictures },
    model: {
      ...model,
      image: { channels: 4, patch: 2, height: 8, width: 8 },
      autoencoder: join(folder, 'vae'),
    },
    training: { steps: 4, batchSize: 4, learningRate: { peak: 3e-3, warmupSteps: 3 } },
    samples: { every: 2, steps: 2 },
    checkpoints: { every: 2 },
  }
  return { folder, config }
}

describe('a run whose config names an autoencoder', () => {
  it('trains on latents, resumes bit for bit, and leaves a model that makes pixels without the original', async () => {
    const { folder, config } = await workplace()
    const before = memory().live
    await trainFromConfig(config, { out: join(folder, 'whole') })
    const out = join(folder, 'stopped')
    const stop = new AbortController()
    await trainFromConfig(config, {
      out,
      signal: stop.signal,
      onStep: ({ step }) => step === 2 && stop.abort(),
    })
    await trainFromConfig(config, { out })
    const weights = (run: string) => readFile(join(folder, run, 'model/model.safetensors'))
    expect((await weights('stopped')).equals(await weights('whole'))).toBe(true)
    const sheet = (run: string) => readFile(join(folder, run, 'samples-0000004.png'))
    expect((await sheet('stopped')).equals(await sheet('whole'))).toBe(true)
    expect(memory().live).toBe(before)

    const longer = { ...config, training: { ...config.training, steps: 5 } }
    delete (longer.model as { autoencoder?: string; image?: object }).autoencoder
    delete (longer.model as { image?: object }).image
    await trainFromConfig(longer, { out: join(folder, 'onward'), init: join(folder, 'whole') })

    await rm(join(folder, 'vae'), { recursive: true })
    using model = await Transfusion.load(join(folder, 'whole'))
    expect(model.codec?.downscale).toBe(4)
    const flags = ['--start-with', 'image', '--steps', '2', '--out', 'sampled']
    expect(await command(['sample', 'whole', 'bag', ...flags], { cwd: folder })).toMatchObject({ code: 0 })
    expect(await readdir(join(folder, 'sampled'))).toHaveLength(1)
  })

  it('goes on by the copy of its checkpoint where the folder is gone or was moved, and refuses another', async () => {
    const { folder, config } = await workplace()
    const vae = join(folder, 'vae')
    const out = join(folder, 'run')
    await trainFromConfig(config, { out: join(folder, 'whole') })
    const stop = new AbortController()
    await trainFromConfig(config, { out, signal: stop.signal, onStep: () => stop.abort() })
    const resume = (autoencoder = vae) =>
      trainFromConfig({ ...config, model: { ...config.model, autoencoder } as never }, { out }).then(
        ({ steps }) => steps,
        (error: Error) => error.message.replaceAll(folder, ''),
      )

    const checkpoints = join(out, 'checkpoints')
    const [checkpoint] = await readdir(checkpoints)
    const other = join(folder, 'other')
    await cp(autoencoder, other, { recursive: true })
    const json = JSON.parse(await readFile(join(other, 'config.json'), 'utf8')) as object
    await writeFile(join(other, 'config.json'), JSON.stringify({ ...json, scaling_factor: 0.5 }))
    const refusal =
      'config: model.autoencoder: expected the one that the run has trained with, a copy of which is in ' +
      `/run/checkpoints/${checkpoint}/model; received another, /other`
    expect(await resume(other)).toBe(refusal)

    const moved = join(folder, 'moved')
    await rename(vae, moved)
    // The latest checkpoint cannot be read: the one before it has a copy, too.
    await cp(join(checkpoints, checkpoint!), join(checkpoints, 'step-000000009'), { recursive: true })
    await writeFile(join(checkpoints, 'step-000000009/model/config.json'), '{}')
    expect(await resume(moved)).toBe(4)
    await rm(moved, { recursive: true })
    expect(await resume()).toBe(4)
    expect(await readdir(checkpoints)).toContain('damaged-step-000000009')
    const weights = (run: string) => readFile(join(folder, run, 'model/model.safetensors'))
    expect((await weights('run')).equals(await weights('whole'))).toBe(true)
  })

  it('measures the latents where the autoencoder has no factors, keeps what it found, and says where weights differ', async () => {
    const { folder, config } = await workplace()
    const path = join(folder, 'vae/config.json')
    const json = JSON.parse(await readFile(path, 'utf8')) as object
    await writeFile(path, JSON.stringify({ ...json, scaling_factor: 1 }))
    const codecOf = async (run: string) => (await readModelConfig(join(folder, run, 'model'))).codec
    const out = join(folder, 'stopped')
    const stop = new AbortController()
    await trainFromConfig(config, { out, signal: stop.signal, onStep: () => stop.abort() })
    await trainFromConfig(config, { out })
    await trainFromConfig(config, { out: join(folder, 'whole') })
    expect(await codecOf('stopped')).toEqual(await codecOf('whole'))
    const weights = (run: string) => readFile(join(folder, run, 'model/model.safetensors'))
    expect((await weights('stopped')).equals(await weights('whole'))).toBe(true)

    using model = await Transfusion.load(join(folder, 'whole'))
    const images = await Promise.all(
      [0, 1, 2, 3].map((i) => model.readImage(join(folder, `pictures/${i}.png`))),
    )
    const values = Array.from(await model.codec!.encode(images))
    const [least, greatest] = model.codec!.range!
    expect(Math.max(...values.map(Math.abs))).toBeCloseTo(greatest, 4)
    expect(least).toBe(-greatest)
    for (const channel of [0, 1, 2, 3]) {
      const own = values.filter((_, i) => i % 4 === channel)
      const mean = own.reduce((sum, value) => sum + value, 0) / own.length
      expect(mean).toBeCloseTo(0, 4)
      expect(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length).toBeCloseTo(1, 4)
    }
    const [preview] = model.codec!.preview!(await model.codec!.encode([images[0]!]), [
      { height: 8, width: 8 },
    ])
    expect(preview).toMatchObject({ height: 32, width: 32, channels: 3 })
    model[Symbol.dispose]()

    const onward = { ...config, model: { ...config.model, latentScale: 'autoencoder' } } as WrittenTrainConfig
    await expect(
      trainFromConfig(onward, { out: join(folder, 'onward'), init: join(folder, 'whole') }),
    ).rejects.toThrow('have read latents with "measured", received "autoencoder"')
  })

  it('names what does not fit before anything is trained', async () => {
    const { folder, config } = await workplace()
    const refused = async (model: object) =>
      trainFromConfig(
        { ...config, model: { ...config.model, ...model } as never },
        { out: join(folder, 'no') },
      ).then(
        () => 'trained',
        (error: Error) => error.message.replaceAll(folder, ''),
      )
    const image = { channels: 3, patch: 2, height: 8, width: 8 }
    expect(await refused({ image })).toContain(
      'config: model.image.channels: expected 4, as the latents of /vae have; received 3',
    )
    expect(await refused({ autoencoder: join(folder, 'nowhere') })).toContain('/nowhere: no such folder')
    expect(await refused({ autoencoder: undefined })).toContain(
      'config: model.image.channels: expected 1 or 3, as image files have; received 4',
    )
  })
})
