import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writePng } from '../../lib/image/image_io.js'
import { AutoencoderCodec } from '../../lib/models/autoencoder/codec.js'
import { trainFromConfig } from '../../lib/run/train_from_config.js'
import type { WrittenTrainConfig } from '../../lib/run/train_config.js'
import { memory } from '../../lib/tensor/device.js'
import { temporaryFolder } from '../temporary_folder.js'

/** A folder with pictures of 16 x 16 pixels, half of them without a caption's worth of sense, and a config for them. */
async function workplace(training: object = {}, more: object = {}) {
  const folder = await temporaryFolder()
  const pictures = join(folder, 'pictures')
  await mkdir(pictures)
  for (let i = 0; i < 6; i++) {
    const data = Uint8Array.from(
      { length: 16 * 16 * 3 },
      (_, at) => ((at % 3) * 60 + i * 37 + (at % 48)) % 256,
    )
    await writePng(join(pictures, `${i}.png`), { width: 16, height: 16, channels: 3, data })
    await writeFile(join(pictures, `${i}.txt`), `picture ${i}`)
  }
  const config: WrittenTrainConfig = {
    data: { type: 'folder', path: pictures },
    model: { type: 'autoencoder', channels: [8, 16], blocks: 1, latentChannels: 2, groups: 4 },
    imagePreprocessing: { width: 16, height: 16 },
    training: { steps: 4, batchSize: 4, ema: 0.5, learningRate: { peak: 3e-3, warmupSteps: 2 }, ...training },
    samples: { every: 2, count: 3 },
    checkpoints: { every: 2 },
    ...more,
  }
  return { folder, config }
}

const bytes = (folder: string, ...path: string[]) => readFile(join(folder, ...path))

describe('a run of an autoencoder', () => {
  it('resumes bit for bit, and leaves a model folder whose latents have unit variance', async () => {
    const { folder, config } = await workplace({ gradientAccumulation: 2 })
    const before = memory().live
    const whole = join(folder, 'whole')
    const messages: string[] = []
    const terms: string[] = []
    await trainFromConfig(config, {
      out: whole,
      onMessage: (line) => messages.push(line),
      onWarning: expect.unreachable,
      onStep: (report) => terms.push(...Object.keys(report.terms)),
    })
    const stopped = join(folder, 'stopped')
    const stop = new AbortController()
    const session = { out: stopped, signal: stop.signal }
    expect(
      await trainFromConfig(config, { ...session, onStep: ({ step }) => step === 2 && stop.abort() }),
    ).toMatchObject({ outcome: 'interrupted', steps: 2 })
    await trainFromConfig(config, { out: stopped })
    for (const file of [
      'model/diffusion_pytorch_model.safetensors',
      'model/config.json',
      'samples-0000004.png',
      'checkpoints/step-000000004/training.safetensors',
    ])
      expect((await bytes(stopped, file)).equals(await bytes(whole, file)), file).toBe(true)
    expect(memory().live).toBe(before)
    expect(messages).toContainEqual(expect.stringContaining('channels 8, 16, 16 x 16 x 3 to 8 x 8 x 2'))
    expect(new Set(terms)).toEqual(new Set(['reconstruction']))

    using codec = await AutoencoderCodec.load(join(whole))
    const { mean, std, factor } = codec.scale
    expect(factor).toBe(1)
    expect([...mean, ...std].every((value) => Number.isFinite(value) && value !== 1)).toBe(true)
  })
})
