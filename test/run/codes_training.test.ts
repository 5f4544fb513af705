/** Runs of models whose images are codes of a VQ-VAE trained before, as a user gives their configs. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { trainFromConfig } from '../../lib/run/train_from_config.js'
import type { WrittenTrainConfig } from '../../lib/run/train_config.js'
import { memory } from '../../lib/tensor/device.js'
import { Transfusion } from '../../lib/transfusion.js'
import { picturesWorkplace } from './autoencoder_workplace.js'

const image = { channels: 1, patch: 1, height: 8, width: 8, codes: 16 }

/** A VQ-VAE of a run, and the config of a model of its codes. */
async function workplace() {
  const { folder, config } = await picturesWorkplace()
  const vqvae = join(folder, 'vqvae')
  const vq = { ...config, model: { ...config.model, codebook: { codes: 16 } } } as WrittenTrainConfig
  await trainFromConfig(vq, { out: vqvae })
  const model = {
    layers: 2,
    channels: 16,
    heads: 2,
    feedForward: 32,
    qkNorm: 'layer',
    normOrder: 'post',
    autoencoder: vqvae,
    image,
  }
  const { data, training } = config
  const codes = {
    data,
    model,
    training: { ...training, zLoss: 1e-5 },
    samples: { every: 2, guidance: 2 },
    checkpoints: { every: 2 },
  } as WrittenTrainConfig
  return { folder, vqvae, codes }
}

describe('a run of a model of codes', () => {
  it('resumes bit for bit, the VQ-VAE it began with gone, and leaves a model that draws and describes', async () => {
    const { folder, vqvae, codes } = await workplace()
    const before = memory().live
    const whole = join(folder, 'whole')
    const messages: string[] = []
    const terms = new Set<string>()
    await trainFromConfig(codes, {
      out: whole,
      onMessage: (line) => messages.push(line),
      onWarning: expect.unreachable,
      onStep: (report) => Object.keys(report.terms).forEach((term) => terms.add(term)),
    })
    expect([...terms]).toEqual(['lm'])
    expect(messages).toContainEqual(expect.stringContaining('64 codes per image (8 x 8, of 16)'))
    const stop = new AbortController()
    const stopped = { out: join(folder, 'stopped'), signal: stop.signal }
    await trainFromConfig(codes, { ...stopped, onStep: ({ step }) => step === 2 && stop.abort() })
    await rm(vqvae, { recursive: true })
    await trainFromConfig(codes, { out: stopped.out })
    for (const file of [
      'model/model.safetensors',
      'model/autoencoder/diffusion_pytorch_model.safetensors',
      'samples-0000004.png',
      'checkpoints/step-000000004/training.safetensors',
    ])
      expect((await readFile(join(stopped.out, file))).equals(await readFile(join(whole, file))), file).toBe(
        true,
      )
    expect(memory().live).toBe(before)

    const model = await Transfusion.load(whole)
    const [first, again] = await model.generateImages(['picture 1', 'picture 1'], [3, 3])
    expect(first).toMatchObject({ width: 16, height: 16, channels: 3 })
    expect(again).toEqual(first)
    const seen = await model.readImage(join(folder, 'pictures', '1.png'))
    expect(await model.completeTexts([[seen]], 3)).toHaveLength(1)
    model[Symbol.dispose]()
  })

  it('is refused before it begins where codes, data and autoencoder do not fit', async () => {
    const { folder, vqvae, codes } = await workplace()
    const out = join(folder, 'refused')
    const model = codes.model as { image: object }
    const changed = (changes: object) => ({ ...codes, model: { ...model, ...changes } }) as WrittenTrainConfig
    const message = async (config: WrittenTrainConfig) =>
      trainFromConfig(config, { out }).then(
        () => 'trained',
        (error: Error) => error.message,
      )
    expect(await message(changed({ image: { ...image, codes: 17 } }))).toContain(
      `model.image.codes: expected 16, as ${vqvae} has; received 17`,
    )
    expect(await message(changed({ autoencoder: undefined }))).toContain(
      'model.autoencoder: expected the folder of a VQ-VAE, whose codes images are to become',
    )
    const { config: kl } = await picturesWorkplace()
    const klFolder = join(folder, 'kl')
    await trainFromConfig(kl, { out: klFolder })
    expect(await message(changed({ autoencoder: klFolder }))).toContain(
      `model.autoencoder: expected a VQ-VAE, as model.image.codes asks for; ${klFolder} has no codebook`,
    )
  })
})
