import { existsSync } from 'node:fs'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Image } from '../../../lib/image/image.js'
import { AutoencoderCodec } from '../../../lib/models/autoencoder/codec.js'
import type { AutoencoderOptions } from '../../../lib/models/autoencoder/config.js'
import type { FrozenEncoder } from '../../../lib/models/autoencoder/frozen/encoder.js'
import { loadAutoencoder, saveAutoencoder } from '../../../lib/models/autoencoder/io/folder.js'
import { AutoencoderNetwork } from '../../../lib/models/autoencoder/network.js'
import { unscaled } from '../../../lib/models/autoencoder/run/measure_scale.js'
import { AutoencoderTrainer } from '../../../lib/models/autoencoder/training/trainer.js'
import type { AutoencoderData } from '../../../lib/models/autoencoder/training/task.js'
import { trainFromConfig } from '../../../lib/run/train_from_config.js'
import type { WrittenTrainConfig } from '../../../lib/run/train_config.js'
import { memory } from '../../../lib/tensor/device.js'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import { Transfusion } from '../../../lib/transfusion.js'
import { generator } from '../../host_array.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { trainedReports } from '../../training/trained_reports.js'
import { picturesWorkplace } from '../../run/autoencoder_workplace.js'
import { tinyRun } from '../../run/tiny_run.js'

const { tinyEncoder } = (await import('../../../examples/tiny_encoder.mjs' as string)) as {
  tinyEncoder: (sizes: { channels: number; features: number }) => Buffer
}

const side = 8
const options: AutoencoderOptions = {
  channels: [8, 8],
  blocks: 1,
  latentChannels: 12,
  groups: 4,
  frozenEncoder: { mean: [0.5], std: [0.5] },
}

/** Each block of 2 x 2 pixels of three colors as the 12 features of a position. */
const blocks = (calls: number[][] = []): FrozenEncoder => ({
  async encode(images, shape) {
    calls.push([...images])
    const [N, C, H, W] = shape
    const [h, w] = [H / 2, W / 2]
    const values = new Float32Array(images.length)
    for (let n = 0; n < N; n++)
      for (let c = 0; c < 4 * C; c++)
        for (let y = 0; y < h; y++)
          for (let x = 0; x < w; x++) {
            const [row, column] = [2 * y + (Math.floor(c / 2) % 2), 2 * x + (c % 2)]
            values[((n * 4 * C + c) * h + y) * w + x] =
              images[((n * C + Math.floor(c / 4)) * H + row) * W + column]!
          }
    return { shape: [N, 4 * C, h, w], values }
  },
})

const testImage = (seed: number): Image => {
  const next = generator(seed)
  const data = Uint8Array.from({ length: side * side * 3 }, () => Math.floor(next() * 256))
  return { height: side, width: side, channels: 3, data }
}

const data: AutoencoderData = {
  images: { height: side, width: side, channels: 3 },
  open() {
    let read = 0
    return {
      next: async () => ({
        document: { name: 'image', parts: [{ type: 'image', image: testImage(read++ % 4) }] },
        state: { sources: [] },
      }),
      close: async () => {},
    } as unknown as ReturnType<AutoencoderData['open']>
  },
}

function autoencoderOf(encoder: FrozenEncoder, more: Partial<AutoencoderOptions> = {}) {
  const network = new AutoencoderNetwork({ ...options, ...more })
  network.arena.initialize(1)
  return {
    network,
    scale: unscaled(network.config),
    encoder,
    [Symbol.dispose]: () => network[Symbol.dispose](),
  }
}

describe('a representation autoencoder', () => {
  it('trains a decoder of the features of a frozen encoder', async () => {
    const calls: number[][] = []
    using autoencoder = autoencoderOf(blocks(calls), {
      frozenEncoder: { mean: [0.5, 0.25, 0.5], std: [0.5, 0.5, 1] },
    })
    expect(
      autoencoder.network.arena.parameters.every(({ name }) => /^(decoder|post_quant_conv)\./.test(name)),
    ).toBe(true)
    const settings = { steps: 60, batchSize: 4, learningRate: { peak: 1e-2, warmupSteps: 5 } }
    using trainer = new AutoencoderTrainer(autoencoder, data, settings)
    const reports = await trainedReports(trainer)
    expect(Object.keys(reports[0]!.terms)).toEqual(['reconstruction'])
    expect(reports.at(-1)!.terms['reconstruction']).toBeLessThan(reports[0]!.terms['reconstruction']! / 3)
    const [image] = [testImage(0)]
    const normalized = (c: number, mean: number, std: number) => (image.data[c]! / 255 - mean) / std
    const at = (c: number) => calls[0]![c * side * side]
    expect(at(0)).toBeCloseTo(normalized(0, 0.5, 0.5), 5)
    expect(at(1)).toBeCloseTo(normalized(1, 0.25, 0.5), 5)
    expect(at(2)).toBeCloseTo(normalized(2, 0.5, 1), 5)
  })

  it('is the codec of a model, from a folder whose encoder is given in code', async () => {
    const folder = join(await temporaryFolder(), 'rae')
    const before = memory().live
    {
      using autoencoder = autoencoderOf(blocks())
      const scale = { mean: Array<number>(12).fill(0.25), std: Array<number>(12).fill(2), factor: 1 }
      await saveAutoencoder(folder, { ...autoencoder, scale })
    }
    await expect(loadAutoencoder(folder)).rejects.toThrow(
      `${join(folder, 'config.json')}: its frozen encoder was given in code; load it with the option \`encoder\``,
    )
    const codec = await AutoencoderCodec.load(folder, { encoder: blocks() })
    const values = await codec.encode([testImage(1), testImage(2)])
    const { data: pixels } = testImage(1)
    expect(values[0]).toBeCloseTo((pixels[0]! / 127.5 - 1 - 0.25) / 2, 5)
    // Channel 4 is the second color of the same pixel.
    expect(values[4]).toBeCloseTo((pixels[1]! / 127.5 - 1 - 0.25) / 2, 5)
    const image = { channels: 12, patch: 1, height: 4, width: 4 }
    const sizes = { layers: 1, channels: 16, heads: 2, feedForward: 16, image }
    const model = Transfusion.create(sizes, makeCaptionTokenizer(['a', 'b']), { codec })
    const [made] = await model.generateImages(['a'], [1], { steps: 2 })
    expect(made).toMatchObject({ height: side, width: side, channels: 3 })
    expect((await codec.encodeMoments([testImage(1)]))[0]).not.toHaveProperty('logVariance')
    model[Symbol.dispose]()
    expect(memory().live).toBe(before)
  })

  it.each([
    [
      'of another shape',
      { shape: [1, 8, 4, 4], values: new Float32Array(128) },
      'the frozen encoder: gives features of [1, 8, 4, 4], expected [1, 12, 4, 4]: model.latentChannels is 12, and the 2 levels ' +
        'of model.channels make a position of 2 x 2 pixels',
    ],
    [
      'that are too few',
      { shape: [1, 12, 4, 4], values: new Float32Array(5) },
      'gives 5 values for features of',
    ],
    [
      'that are not finite',
      { shape: [1, 12, 4, 4], values: new Float32Array(192).fill(NaN, 7) },
      'gives features that are not finite: value 7 is NaN',
    ],
  ])('names features %s', async (_, features, message) => {
    using autoencoder = autoencoderOf({ encode: async () => features })
    using trainer = new AutoencoderTrainer(autoencoder, data, { steps: 1, batchSize: 1 })
    await expect(trainer.run()).rejects.toThrow(message)
  })

  it('has no codebook, and no encoder of its own', () => {
    expect(() => new AutoencoderNetwork({ ...options, codebook: { codes: 4 } })).toThrow(
      'codebook: expected none beside frozenEncoder',
    )
  })
})

const installed = existsSync(new URL('../../../node_modules/onnxruntime-node', import.meta.url))

async function onnxWorkplace() {
  const { folder, config } = await picturesWorkplace()
  const onnx = join(folder, 'tiny.onnx')
  await writeFile(onnx, tinyEncoder({ channels: 3, features: 8 }))
  const frozenEncoder = { onnx, std: [0.25] }
  const model = {
    type: 'autoencoder',
    channels: [8, 8, 8],
    blocks: 1,
    latentChannels: 8,
    groups: 4,
    frozenEncoder,
  }
  return { folder, onnx, config: { ...config, model } as WrittenTrainConfig & { model: typeof model } }
}

it.skipIf(installed)('says how to install onnxruntime-node where it is not', async () => {
  const { folder, onnx, config } = await onnxWorkplace()
  const before = memory().live
  await expect(trainFromConfig(config, { out: join(folder, 'run') })).rejects.toThrow(
    `model.frozenEncoder.onnx: ${onnx}: ONNX is computed by the package onnxruntime-node, which is not installed: ` +
      'npm install --ignore-scripts onnxruntime-node',
  )
  expect(memory().live).toBe(before)
})

it('names an encoder that is not there', async () => {
  const { folder, onnx, config } = await onnxWorkplace()
  await rm(onnx)
  await expect(trainFromConfig(config, { out: join(folder, 'run') })).rejects.toThrow(
    `model.frozenEncoder.onnx: ${onnx}: no such file`,
  )
})

describe.skipIf(!installed)('an encoder in ONNX', () => {
  it('is trained with, resumed and taken by a Transfusion model, whose folder loads alone', async () => {
    const { folder, onnx, config } = await onnxWorkplace()
    const [whole, out] = [join(folder, 'whole'), join(folder, 'run')]
    await trainFromConfig(config, { out: whole })
    const stop = new AbortController()
    await trainFromConfig(config, {
      out,
      signal: stop.signal,
      onStep: ({ step }) => step === 2 && stop.abort(),
    })
    const other = { ...config, model: { ...config.model, frozenEncoder: { ...config.model.frozenEncoder } } }
    other.model.frozenEncoder.onnx = join(folder, 'other.onnx')
    await writeFile(other.model.frozenEncoder.onnx, tinyEncoder({ channels: 3, features: 9 }))
    await expect(trainFromConfig(other as WrittenTrainConfig, { out })).rejects.toThrow(
      `model.frozenEncoder.onnx: expected the one that the run has trained with; received another, ${other.model.frozenEncoder.onnx}`,
    )
    await rm(onnx)
    await trainFromConfig(config, { out })
    for (const file of ['diffusion_pytorch_model.safetensors', 'config.json', 'encoder.onnx'])
      expect(
        (await readFile(join(out, 'model', file))).equals(await readFile(join(whole, 'model', file))),
        file,
      ).toBe(true)

    const generative: WrittenTrainConfig = {
      data: config.data,
      model: {
        ...tinyRun(folder).model,
        image: { channels: 8, patch: 1, height: 4, width: 4 },
        autoencoder: out,
      },
      training: { steps: 1, batchSize: 2 },
      samples: { steps: 1 },
    }
    await trainFromConfig(generative, { out: join(folder, 'transfusion') })
    await rm(out, { recursive: true })
    const loads = join(folder, 'transfusion/model')
    expect((await stat(join(loads, 'autoencoder/encoder.onnx'))).size).toBeGreaterThan(1000)
    using loaded = await Transfusion.load(loads)
    const [image] = await loaded.generateImages(['picture 1'], [1], { steps: 2 })
    expect(image).toMatchObject({ height: 16, width: 16 })
    await writeFile(join(loads, 'autoencoder/encoder.onnx'), tinyEncoder({ channels: 3, features: 9 }))
    await expect(Transfusion.load(loads)).rejects.toThrow(
      'encoder.onnx: is not the one that the model was trained with',
    )
  })

  it('is named where its features are others, or it is no ONNX', async () => {
    const { folder, onnx, config } = await onnxWorkplace()
    await writeFile(onnx, tinyEncoder({ channels: 3, features: 9 }))
    const before = memory().live
    const refused = (message: string) =>
      expect(trainFromConfig(config, { out: join(folder, 'run') })).rejects.toThrow(
        `model.frozenEncoder.onnx: ${onnx}: ${message}`,
      )
    await refused('gives features of [1, 9, 4, 4], expected [1, 8, 4, 4]: model.latentChannels is 8')
    await writeFile(onnx, 'no network')
    await refused('')
    expect(memory().live).toBe(before)
  })
})
