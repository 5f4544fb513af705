import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { describeDiscriminator } from '../../lib/models/autoencoder/training/discriminator.js'
import { describeLpips } from '../../lib/models/lpips/lpips.js'
import { describeResnet } from '../../lib/models/resnet/resnet.js'
import { modelRun } from '../../lib/run/model_runs.js'
import { checkNewModel } from '../../lib/run/train_checks.js'
import { trainConfigSchema } from '../../lib/run/train_config.js'
import { trainFromConfig } from '../../lib/run/train_from_config.js'
import { memory, setMemoryLimit, trimMemory } from '../../lib/tensor/device.js'
import { picturesWorkplace } from './autoencoder_workplace.js'

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url))
const files = { lpips: fixture('lpips/lpips.safetensors'), resnet: fixture('resnet/basic.safetensors') }

const { limit } = memory()
afterEach(() => setMemoryLimit(limit))

const loss = {
  discriminator: { start: 1, channels: 32, layers: 2 },
  perceptual: { weights: files.lpips },
  identity: { weights: files.resnet },
}
const model = { type: 'autoencoder', channels: [32, 64], blocks: 1, latentChannels: 4, groups: 4 } as const

/** What training takes at least: as it is told, and of the networks beside the autoencoder. */
async function leastOf(config: object) {
  const least = await modelRun(trainConfigSchema.parse(config)).check('a.json')
  const image = { height: 16, width: 16 }
  const [lpips, resnet] = [await describeLpips(files.lpips), await describeResnet(files.resnet)]
  const discriminator = describeDiscriminator({ imageChannels: 3, ...loss.discriminator })
  return { ...least, lpips, resnet, discriminator, image }
}

it('counts the networks that judge an autoencoder, as they are kept', async () => {
  const plain = await picturesWorkplace({}, { model })
  const judged = await picturesWorkplace({ loss }, { model })
  for (const precision of ['f32', 'bf16'] as const) {
    const bytes = precision === 'bf16' ? 2 : 4
    const alone = await leastOf({ ...plain.config, precision })
    const { parameters, weights, batch, lpips, resnet, discriminator, image, beside } = await leastOf({
      ...judged.config,
      precision,
    })
    expect(beside).toEqual(['the discriminator', 'the network of LPIPS', 'that of the identity term'])
    expect(parameters).toBe(alone.parameters)
    const trained = bytes === 2 ? 18 : 16
    // The autoencoder has an average, too.
    expect(alone.weights).toBe(parameters * (trained + 4))
    expect(weights - alone.weights).toBe(
      discriminator.parameters * trained + (lpips.parameters + resnet.parameters) * bytes,
    )
    const features = lpips.workOn(image).values + resnet.workOn(image).values
    const adversary = 2 * discriminator.workOn(image).values
    expect(batch - alone.batch).toBe(4 * Math.max(features, adversary) * bytes)
    const late = { ...loss, discriminator: { ...loss.discriminator, start: 100 } }
    const { batch: before } = await leastOf({
      ...judged.config,
      precision,
      training: { ...judged.config.training, loss: late },
    })
    expect(before - alone.batch).toBe(4 * features * bytes)
  }
})

it('is what a run takes: no less, and hardly more for the weights', async () => {
  const { folder, config } = await picturesWorkplace({ loss, steps: 2 }, { model, samples: undefined })
  const { weights, batch } = await leastOf(config)
  trimMemory()
  const before = memory().live
  let held = 0
  await trainFromConfig(config, {
    out: join(folder, 'run'),
    // Not at a step's report: the next step may have begun by then.
    onTrainingEnd: () => (held = memory().live - before),
  })
  expect(held).toBeGreaterThanOrEqual(weights)
  expect(held).toBeLessThan(1.25 * weights)
  expect(memory().peak - before).toBeGreaterThan(weights + batch)
})

it('is refused before anything is made where it cannot be had, with what it is of', async () => {
  const { config } = await picturesWorkplace({ loss }, { model })
  const parsed = trainConfigSchema.parse(config)
  setMemoryLimit(2e6)
  await expect(checkNewModel(parsed, 'a.json')).rejects.toThrow(
    /^a\.json: model: [\d,]+ parameters take [\d.]+ MB with their gradients and the optimizer's state, the discriminator, the network of LPIPS, and that of the identity term included, of a memory limit of 2 MB/,
  )
  const missing = { ...loss, perceptual: { weights: 'none.safetensors' } }
  const other = trainConfigSchema.parse({ ...config, training: { steps: 1, loss: missing } })
  await expect(checkNewModel(other, 'a.json')).rejects.toThrow(
    'training.loss.perceptual.weights: none.safetensors: no such file',
  )
})
