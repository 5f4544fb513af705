import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { AutoencoderCodec } from '../../lib/models/autoencoder/codec.js'
import { encodeLatents } from '../../lib/run/encode_latents.js'
import { trainFromConfig } from '../../lib/run/train_from_config.js'
import type { WrittenTrainConfig } from '../../lib/run/train_config.js'
import { memory } from '../../lib/tensor/device.js'
import type { StepReport } from '../../lib/training/step_report.js'
import { Transfusion } from '../../lib/transfusion.js'
import { picturesWorkplace } from './autoencoder_workplace.js'
import { tinyRun } from './tiny_run.js'

const bytes = (folder: string, ...path: string[]) => readFile(join(folder, ...path))

describe('a run of an autoencoder', () => {
  it('resumes bit for bit, and leaves a model folder whose latents have unit variance', async () => {
    const { folder, config } = await picturesWorkplace({ gradientAccumulation: 2 })
    // It needs none.
    for (let i = 0; i < 6; i++) await rm(join(folder, 'pictures', `${i}.txt`))
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
    expect(new Set(terms)).toEqual(new Set(['reconstruction', 'kl']))

    using codec = await AutoencoderCodec.load(join(whole))
    const { mean, std, factor } = codec.scale
    expect(factor).toBe(1)
    expect([...mean, ...std].every((value) => Number.isFinite(value) && value !== 1)).toBe(true)
  })

  it('trains a discriminator beside it, and both resume bit for bit', async () => {
    const discriminator = { start: 1, channels: 4, layers: 1 }
    const { folder, config } = await picturesWorkplace({ loss: { pixels: 'squared', discriminator } })
    const terms: string[][] = []
    const onStep = (report: StepReport) => terms.push(Object.keys(report.terms))
    await trainFromConfig(config, { out: join(folder, 'whole'), onStep })
    expect(terms[0]).toEqual(['reconstruction', 'kl'])
    expect(new Set(terms[1])).toEqual(
      new Set(['reconstruction', 'kl', 'generator', 'discriminator', 'adversarial_weight']),
    )
    const stop = new AbortController()
    const stopped = { out: join(folder, 'stopped'), signal: stop.signal }
    await trainFromConfig(config, { ...stopped, onStep: ({ step }) => step === 2 && stop.abort() })
    await trainFromConfig(config, { out: stopped.out })
    for (const file of [
      'model/diffusion_pytorch_model.safetensors',
      'checkpoints/step-000000004/training.safetensors',
    ])
      expect((await bytes(stopped.out, file)).equals(await bytes(folder, 'whole', file)), file).toBe(true)
  })

  it('trains a VQ-VAE, whose codes and their counts resume bit for bit', async () => {
    const loss = { codebook: { restartAfter: 2 } }
    const { folder, config } = await picturesWorkplace({ loss })
    const model = { ...config.model, codebook: { codes: 16 } }
    const vq = { ...config, model } as WrittenTrainConfig
    const reports: StepReport[] = []
    await trainFromConfig(vq, { out: join(folder, 'whole'), onStep: (report) => reports.push(report) })
    expect(Object.keys(reports[0]!.terms).toSorted()).toEqual([
      'codebook',
      'codes_used',
      'commitment',
      'perplexity',
      'recent_codes_used',
      'recent_perplexity',
      'reconstruction',
    ])
    // The first step gives every code a vector of its batch.
    expect(reports[1]!.terms['codes_used']).toBeGreaterThan(2)
    const stop = new AbortController()
    const stopped = { out: join(folder, 'stopped'), signal: stop.signal }
    await trainFromConfig(vq, { ...stopped, onStep: ({ step }) => step === 2 && stop.abort() })
    await trainFromConfig(vq, { out: stopped.out })
    for (const file of [
      'model/diffusion_pytorch_model.safetensors',
      'checkpoints/step-000000004/training.safetensors',
      'samples-0000004.png',
    ])
      expect((await bytes(stopped.out, file)).equals(await bytes(folder, 'whole', file)), file).toBe(true)
    using codec = await AutoencoderCodec.load(stopped.out)
    expect(codec.channels).toBe(2)
    expect(codec.scale.factor).not.toBe(1)
  })

  it('compares images by LPIPS, whose weights it reads from a file', async () => {
    const weights = fileURLToPath(new URL('../fixtures/lpips/lpips.safetensors', import.meta.url))
    const { folder, config } = await picturesWorkplace({
      steps: 1,
      loss: { perceptual: { weights, weight: 0.5 } },
    })
    const before = memory().live
    const terms: Readonly<Record<string, number>>[] = []
    await trainFromConfig(config, { out: join(folder, 'run'), onStep: (report) => terms.push(report.terms) })
    expect(terms[0]!['perceptual']).toBeGreaterThan(0)
    expect(memory().live).toBe(before)
    const missing = join(folder, 'no.safetensors')
    const nowhere = { ...config.training, loss: { perceptual: { weights: missing } } }
    await expect(
      trainFromConfig({ ...config, training: nowhere } as WrittenTrainConfig, { out: join(folder, 'no') }),
    ).rejects.toThrow(`training.loss.perceptual.weights: ${missing}: no such file`)
    expect(memory().live).toBe(before)
  })

  it('compares what images show by a ResNet, whose weights it reads from a file', async () => {
    const weights = fileURLToPath(new URL('../fixtures/resnet/bottleneck.safetensors', import.meta.url))
    const { folder, config } = await picturesWorkplace({ steps: 1, loss: { identity: { weights } } })
    const before = memory().live
    const terms: Readonly<Record<string, number>>[] = []
    await trainFromConfig(config, { out: join(folder, 'run'), onStep: (report) => terms.push(report.terms) })
    expect(terms[0]!['identity']).toBeGreaterThan(0)
    expect(memory().live).toBe(before)
    const refused = (path: string, message: string) =>
      expect(
        trainFromConfig(
          {
            ...config,
            training: { ...config.training, loss: { identity: { weights: path } } },
          } as WrittenTrainConfig,
          { out: join(folder, 'no') },
        ),
      ).rejects.toThrow(`training.loss.identity.weights: ${path}: ${message}`)
    await refused(join(folder, 'no.safetensors'), 'no such file')
    await refused(
      join(folder, 'moco.onnx'),
      'expected safetensors of a ResNet: a loss needs the gradients of its network, and onnxruntime computes none of ONNX',
    )
    expect(memory().live).toBe(before)
  })

  it('gives a model folder that a Transfusion model takes, from the run as well', async () => {
    const { folder, config } = await picturesWorkplace()
    await trainFromConfig(config, { out: join(folder, 'vae') })
    for (const autoencoder of ['vae', 'vae/model']) {
      const image = { channels: 2, patch: 2, height: 8, width: 8 }
      const generative: WrittenTrainConfig = {
        data: config.data,
        model: { ...tinyRun(folder).model, image, autoencoder: join(folder, autoencoder) },
        training: { steps: 1, batchSize: 2 },
        samples: { steps: 1 },
      }
      const out = join(folder, `of-${autoencoder.length}`)
      expect(await trainFromConfig(generative, { out })).toMatchObject({ outcome: 'finished' })
      await encodeLatents(generative, { out: `${out}-latents` })
    }
    await expect(Transfusion.load(join(folder, 'vae'))).rejects.toThrow(
      'an autoencoder, which generates nothing by itself: it makes latents of images for a model, whose config names it as ' +
        'model.autoencoder',
    )
    await expect(encodeLatents(config, { out: join(folder, 'latents') })).rejects.toThrow(
      'config: model.type: expected "transfusion", received "autoencoder": the config is to be that of the model that reads the latents',
    )
  })

  it('begins with the weights of a folder, whose sizes it takes', async () => {
    const { folder, config } = await picturesWorkplace()
    const first = join(folder, 'first')
    await trainFromConfig(config, { out: first })
    const onward = { ...config, model: { type: 'autoencoder' as const } }
    const messages: string[] = []
    await trainFromConfig(onward, {
      out: join(folder, 'onward'),
      init: first,
      onMessage: (line) => messages.push(line),
    })
    expect(messages).toContainEqual(expect.stringMatching(/^channels 8, 16, .*; beginning with .*first$/))
    const other = { ...config, model: { ...config.model, channels: [8, 8] } } as WrittenTrainConfig
    await expect(trainFromConfig(other, { out: join(folder, 'other'), init: first })).rejects.toThrow(
      'model.channels: expected [8,16], as the weights have; received [8,8]',
    )
    const preset = { ...config, model: { type: 'autoencoder' as const, preset: '32px' as const } }
    await expect(trainFromConfig(preset, { out: join(folder, 'other'), init: first })).rejects.toThrow(
      'model.preset: "32px" has channels [32,64,64], the weights have [8,16]',
    )
  })

  it.each([
    [
      { model: { type: 'autoencoder' } },
      'model.preset: expected "32px", "64px", "128px", "256px", or channels and',
    ],
    [{ imagePreprocessing: {} }, "imagePreprocessing:\n  width: expected the images' width in pixels"],
    [
      { imagePreprocessing: { width: 15, height: 16 } },
      'width: expected a multiple of 2, as the 2 levels halve it',
    ],
    [
      { imagePreprocessing: { width: 16, height: 16, channels: 1 } },
      'channels: expected 3, as model.imageChannels',
    ],
    [
      { data: { type: 'text', path: 'a.txt' } },
      'data: expected images, which an autoencoder is trained on; "text"',
    ],
    [{ data: { type: 'latents', path: 'a' } }, 'those of "latents" are encoded already'],
    [
      { data: { type: 'fashion-mnist' } },
      'model.imageChannels: expected 1, as images of "fashion-mnist" have',
    ],
    [{ tokenizer: { type: 'captions' } }, 'tokenizer: unknown key'],
    [{ samples: { prompts: ['a'] } }, 'samples.prompts: unknown key'],
    [
      { training: { steps: 1, loss: { discriminator: { layers: 3 } } } },
      'training.loss.discriminator.layers: expected fewer: images of 16 x 16 pixels are too small for 3 layers',
    ],
  ])('refuses %j before anything is made', async (change, message) => {
    const { folder, config } = await picturesWorkplace()
    const changed = { ...config, ...change } as WrittenTrainConfig
    await expect(trainFromConfig(changed, { out: join(folder, 'no') })).rejects.toThrow(message)
  })

  it('names documents without an image, and leaves them out where it is told to', async () => {
    const { folder, config } = await picturesWorkplace()
    const path = join(folder, 'documents.jsonl')
    const lines = [
      { image: 'pictures/0.png', caption: 'a' },
      { text: 'no image' },
      {
        parts: [{ image: 'pictures/1.png' }, 'and', { image: 'pictures/2.png' }, { image: 'pictures/3.png' }],
      },
    ]
    await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    const jsonl = { ...config, data: { type: 'jsonl', path } } as WrittenTrainConfig
    await expect(trainFromConfig(jsonl, { out: join(folder, 'no') })).rejects.toThrow(
      'documents.jsonl:2: has no image, and an autoencoder is trained on images alone; leave it out, or set ' +
        'loading.onUnreadable to "skip"',
    )
    const skipping = { ...jsonl, loading: { onUnreadable: 'skip' } } as WrittenTrainConfig
    const whole = join(folder, 'whole')
    const messages: string[] = []
    await trainFromConfig(skipping, { out: whole, onMessage: (line) => messages.push(line) })
    expect(messages).toContainEqual(expect.stringContaining('left out'))
    // A batch of 4 of documents with 1 and 3 images ends within a document.
    const stop = new AbortController()
    const stopped = join(folder, 'stopped')
    const training = { ...config.training, batchSize: 3 }
    const three = { ...skipping, training } as WrittenTrainConfig
    await trainFromConfig(three, { out: join(folder, 'three') })
    await trainFromConfig(three, {
      out: stopped,
      signal: stop.signal,
      onStep: ({ step }) => step === 3 && stop.abort(),
    })
    await trainFromConfig(three, { out: stopped })
    const weights = 'model/diffusion_pytorch_model.safetensors'
    expect((await bytes(stopped, weights)).equals(await bytes(folder, 'three', weights))).toBe(true)
  })
})
