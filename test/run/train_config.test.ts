import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { autoencoderRuns } from '../../lib/models/autoencoder/run/run_model.js'
import type { AutoencoderTrainConfig } from '../../lib/run/autoencoder/config.js'
import { checkNewModel } from '../../lib/run/train_checks.js'
import { modelOptions, namedSizes } from '../../lib/models/transfusion/model_options.js'
import { requireGenerative } from '../../lib/run/model_runs.js'
import { type TrainConfig, trainConfigSchema } from '../../lib/run/train_config.js'
import { parseConfig } from '../../lib/config/parse.js'
import { parseConfigText } from '../../lib/files/config_file.js'
import { transfusionParameters } from '../../lib/models/transfusion/model.js'
import { paperImages, paperVocabulary, type PresetName } from '../../lib/models/transfusion/presets.js'
import { elementsOf } from '../../lib/tensor/shape.js'
import { temporaryFolder } from '../temporary_folder.js'

const config = (model: object, more: object = {}) =>
  parseConfig(
    trainConfigSchema,
    {
      data: { type: 'folder', path: 'p' },
      model: { image: paperImages, ...model },
      training: { steps: 10 },
      ...more,
    },
    'a.json',
  )

const sizesOf = (model: object) => modelOptions(requireGenerative(config(model), 'a.json', '').model)

const parametersOf = (model: object) =>
  transfusionParameters({ ...sizesOf(model), ...paperVocabulary })
    .filter(({ name }) => !name.startsWith('patch_'))
    .reduce((sum, { shape }) => sum + elementsOf(shape), 0)

describe('the sizes of a new model', () => {
  it.each<[PresetName, number]>([
    ['0.16B', 0.162],
    ['0.37B', 0.374],
    ['0.76B', 0.778],
    ['1.4B', 1.364],
    ['7B', 6.738],
  ])("are the paper's with the preset %s", (preset, billions) => {
    expect((parametersOf({ preset }) / 1e9).toFixed(3)).toBe(String(billions))
  })

  it.each([
    ['those of tiny where nothing is said', {}, { layers: 4, channels: 128, heads: 4, feedForward: 352 }],
    ['those of a preset', { preset: 'small' }, { layers: 6, channels: 256, heads: 4, feedForward: 704 }],
    [
      "a preset's but for what is set",
      { preset: 'small', layers: 2, kvHeads: 2 },
      { layers: 2, channels: 256, heads: 4, kvHeads: 2, feedForward: 704 },
    ],
    [
      'without the feed-forward width of other channels',
      { layers: 2, channels: 512, heads: 8 },
      { layers: 2, channels: 512, heads: 8 },
    ],
    [
      "without a preset's feed-forward width where channels are set",
      { preset: 'tiny', channels: 256 },
      { layers: 4, channels: 256, heads: 4 },
    ],
    [
      'a feed-forward width of their own',
      { channels: 256, feedForward: 300 },
      { layers: 4, channels: 256, heads: 4, feedForward: 300 },
    ],
  ])('are %s', (_, model, sizes) => {
    const { image, ropeTheta: _theta, normEps: _eps, ...found } = sizesOf(model)
    expect(found).toEqual(sizes)
    expect(image.patch).toBe(2)
  })

  it('name only what was written', () => {
    expect(namedSizes({ image: paperImages, heads: 8 })).toEqual({ image: paperImages, heads: 8 })
    expect(namedSizes({ image: paperImages, preset: '0.37B', heads: 8 })).toEqual({
      image: paperImages,
      layers: 24,
      channels: 1024,
      heads: 8,
    })
  })
})

it('has a model of a known type, which may be left out', () => {
  expect(config({}).model.type).toBe('transfusion')
  expect(config({ type: 'transfusion' }).model).toEqual(config({}).model)
  expect(() => config({ type: 'chameleon' })).toThrow(
    'a.json:\n  model.type: expected "transfusion" or "autoencoder"; received "chameleon"',
  )
})

it('reads imagePreparation, the earlier name of imagePreprocessing', () => {
  const written = config({}, { imagePreparation: { resize: 'contain' } })
  expect(written).toEqual(config({}, { imagePreprocessing: { resize: 'contain' } }))
  expect(written.imagePreprocessing).toEqual({ resize: 'contain' })
})

describe('a config of a new model', () => {
  const image = { channels: 3, patch: 4, height: 32, width: 32 }
  const refusal = (model: object, more: object = {}) =>
    checkNewModel(config({ image, ...model }, more), 'a.json')

  it.each([
    [
      'a.json:\n  model.image.height: expected a multiple of the patch size (4); received 30',
      { image: { ...image, height: 30 } },
      {},
    ],
    [
      'a.json:\n  model.channels: expected a multiple of twice the heads (6): rotary pairs need an even head size; received 128',
      { heads: 3 },
      {},
    ],
    [
      "a.json:\n  model.image.patch: expected 2: the U-Net's stem of 1, doubled by each of its 2 levels but the first; received 4",
      { image: { ...image, unet: { channels: [32, 64] } } },
      {},
    ],
    [
      "a.json: imagePreprocessing:\n  channels: expected 3, as the model's images have; received 1",
      {},
      { imagePreprocessing: { channels: 1 } },
    ],
    [
      'a.json: samples: sampler: name must be ddpm, ddim, dpmpp for a model that was trained with ddpm, received euler',
      {},
      { samples: { sampler: 'euler' } },
    ],
    [
      'a.json: samples: sampler: name must be euler, heun for a model that was trained with flow, received ddim',
      {},
      { samples: { sampler: 'ddim' }, objective: { process: 'flow', prediction: 'v' } },
    ],
    [
      'a.json: model.image.channels: expected 1 or 3, as image files have; received 8',
      { image: paperImages },
      {},
    ],
    [
      'a.json: model.image.channels: expected 1, as images of "fashion-mnist" have; received 3',
      {},
      { data: { type: 'mixture', sources: [{ type: 'folder', path: 'p' }, { type: 'fashion-mnist' }] } },
    ],
    [
      'a.json: training.batchTokens: expected at least 132: an image has 64 patches and two tokens that frame it, and a batch 2 micro-batches; received 131',
      {},
      { training: { steps: 1, batchTokens: 131, gradientAccumulation: 2 } },
    ],
  ])('is refused before anything is made: %s', async (message, model, more) => {
    await expect(refusal({})).resolves.toBeUndefined()
    await expect(refusal(model, more)).rejects.toThrow(expect.objectContaining({ message }))
  })
})

/** The configs shown in a page; one that names an autoencoder finds the page's last one above it, untrained, in its place. */
async function configsShown(page: string): Promise<TrainConfig[]> {
  const text = await readFile(new URL(`../../${page}`, import.meta.url), 'utf8')
  let autoencoder = ''
  const configs: TrainConfig[] = []
  for (const [, shown] of text.matchAll(/^```jsonc?\n([^]*?)^```/gm)) {
    const { $schema: _, ...written } = parseConfigText(shown!, page) as Record<string, unknown>
    const config = parseConfig(trainConfigSchema, written, page)
    if (config.model.type === 'autoencoder') {
      // Of a frozen encoder, whose file is not the page's.
      if (config.model.frozenEncoder) continue
      autoencoder = await temporaryFolder()
      using model = await autoencoderRuns.create(config as AutoencoderTrainConfig)
      await model.save(autoencoder)
    } else if (config.model.autoencoder !== undefined) config.model.autoencoder = autoencoder
    configs.push(config)
  }
  return configs
}

it.each([
  ['README.md', 1],
  ['docs/training.md', 5],
])('takes the configs in %s', async (page, count) => {
  const configs = await configsShown(page)
  expect(configs).toHaveLength(count)
  for (const config of configs) await checkNewModel(config, page)
})
