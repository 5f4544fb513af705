import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { backward } from '../../../../lib/autograd/tape.js'
import type { AutoencoderOptions } from '../../../../lib/models/autoencoder/config.js'
import { AutoencoderNetwork } from '../../../../lib/models/autoencoder/network.js'
import { CodebookUse } from '../../../../lib/models/autoencoder/training/codebook_use.js'
import { PatchDiscriminator } from '../../../../lib/models/autoencoder/training/discriminator.js'
import { autoencoderFlops } from '../../../../lib/models/autoencoder/training/flops.js'
import { autoencoderLoss, type Judges } from '../../../../lib/models/autoencoder/training/loss.js'
import { autoencoderTrainingSchema } from '../../../../lib/models/autoencoder/training/options.js'
import { describeLpips, Lpips } from '../../../../lib/models/lpips/lpips.js'
import { describeResnet, Resnet } from '../../../../lib/models/resnet/resnet.js'
import { startProfile } from '../../../../lib/profiling/profile.js'
import { scope } from '../../../../lib/tensor/scope.js'

const fixture = (name: string) => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url))
const weights = { lpips: fixture('lpips/lpips.safetensors'), resnet: fixture('resnet/basic.safetensors') }

const image = { height: 48, width: 32, channels: 3 } as const
const images = 2
const sizes = { imageChannels: 3, channels: 4, layers: 2 }
/** Products of 3 channels: nothing is learned by the pixels, so that their gradients are not computed. */
const first = {
  network: 2 * 9 * 3 * 4 * image.height * image.width,
  discriminator: 2 * 16 * 3 * 4 * (image.height / 2) * (image.width / 2),
}

/** Of two judges, forward for both images and backward for one: products of 3 x 3 that scale colors, which are not counted. */
const scaledColors = 2 * 3 * (2 * 3 * 3) * image.height * image.width

async function measured(network: AutoencoderNetwork, step: number, loss: object, judges: Judges) {
  const options = autoencoderTrainingSchema.parse({ steps: 10, loss }).loss
  for (const { arena } of [network, ...(judges.discriminator ? [judges.discriminator] : [])]) {
    arena.initialize(1)
    void arena.gradients
  }
  const values = Float32Array.from({ length: images * 3 * image.height * image.width }, (_, i) => Math.sin(i))
  const batch = { step, images, imagesOfStep: images, values, seeds: new Int32Array(4 * images) }
  const profile = startProfile()
  scope(() => {
    const { total, companions = {} } = autoencoderLoss(network, batch, image, options, judges)
    backward(total)
    for (const companion of Object.values(companions)) backward(companion)
  })
  const { kernels } = await profile.stop()
  return {
    computed: kernels.reduce((sum, { flops }) => sum + flops, 0) / images,
    counted: autoencoderFlops(network, image, step, options, judges),
  }
}

const options = { channels: [4, 8, 16], blocks: 2, latentChannels: 2, groups: 2 }

it.each<[string, AutoencoderOptions]>([
  ['a KL autoencoder', options],
  [
    'without attention, 1 x 1 convolutions and levels',
    { ...options, channels: [4], attention: false, quantConv: false, postQuantConv: false },
  ],
  ['a VQ-VAE', { ...options, codebook: { codes: 12, channels: 3 } }],
])('counts what a step of %s computes', async (_, sizes) => {
  using network = new AutoencoderNetwork(sizes)
  using codes =
    network.config.codebook && new CodebookUse(network.codebook, network.arena, { restartAfter: 9 })
  const { computed, counted } = await measured(network, 0, {}, { codes })
  expect(counted).toBe(computed + first.network)
})

it('counts judges as they are computed, a discriminator from its first step on', async () => {
  using network = new AutoencoderNetwork(options)
  using discriminator = new PatchDiscriminator(sizes)
  using lpips = await Lpips.load(weights.lpips)
  using resnet = await Resnet.load(weights.resnet)
  const judges = { discriminator, perceptual: { network: lpips }, identity: { network: resnet } }
  for (const adaptive of [true, false]) {
    const loss = { discriminator: { start: 3, adaptive } }
    const before = await measured(network, 2, loss, judges)
    expect(before.counted).toBe(before.computed + first.network - scaledColors)
    const after = await measured(network, 3, loss, judges)
    expect(after.counted).toBe(after.computed + first.network + 2 * first.discriminator - scaledColors)
    expect(after.counted).toBeGreaterThan(before.counted)
  }
})

it('tells the same of files as of networks', async () => {
  using lpips = await Lpips.load(weights.lpips)
  using resnet = await Resnet.load(weights.resnet)
  expect((await describeLpips(weights.lpips)).workOn(image)).toEqual(lpips.workOn(image))
  expect((await describeResnet(weights.resnet)).workOn(image)).toEqual(resnet.workOn(image))
})
