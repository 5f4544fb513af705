import { beforeAll, describe, expect, it } from 'vitest'
import { type EmojiData, openEmoji, splitEmoji } from '../../../lib/datasets/emoji/emoji.js'
import type { Features } from '../../../lib/evaluation/image_metrics/features.js'
import { frechetDistance, momentsOf } from '../../../lib/evaluation/image_metrics/frechet.js'
import { measureReconstructions } from '../../../lib/experiments/latents/reconstructions.js'
import type { Image } from '../../../lib/image/image.js'
import { pixelsOf } from '../../../lib/models/autoencoder/run_network.js'
import { psnr, ssim } from '../../../lib/image/similarity.js'
import { AutoencoderCodec } from '../../../lib/models/autoencoder/codec.js'
import type { AutoencoderOptions } from '../../../lib/models/autoencoder/config.js'
import { saveAutoencoder } from '../../../lib/models/autoencoder/io/folder.js'
import { AutoencoderNetwork } from '../../../lib/models/autoencoder/network.js'
import { reconstruct } from '../../../lib/models/autoencoder/run/reconstruct.js'
import { unscaled } from '../../../lib/models/autoencoder/run/measure_scale.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray } from '../../../lib/tensor/tensor.js'
import { path as lpipsWeights } from '../../models/lpips/fixture.js'
import { temporaryFolder } from '../../temporary_folder.js'

let data: EmojiData
let heldOut: Image[]
beforeAll(async () => {
  const all = await openEmoji()
  const some = all.heldOut.pictures.slice(0, 4)
  data = {
    training: splitEmoji(all.training.pictures.slice(0, 9)).training,
    heldOut: splitEmoji(some).heldOut,
  }
  heldOut = some.map(({ image }) => image)
})

/** Means of red, green and blue. */
const featuresOf = async (images: readonly Image[]): Promise<Features> => ({
  width: 3,
  data: Float32Array.from(
    images.flatMap(({ data }) =>
      [0, 1, 2].map((channel) => {
        const values = data.filter((_, i) => i % 3 === channel)
        return values.reduce((sum, value) => sum + value, 0) / values.length
      }),
    ),
  ),
})

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

describe('measureReconstructions', () => {
  const sizes: AutoencoderOptions = { channels: [8, 8], blocks: 1, groups: 4, latentChannels: 3 }
  const measure = async (options: AutoencoderOptions, lpips?: string) => {
    const network = new AutoencoderNetwork(options, 'f32', 'cpu')
    network.arena.initialize(3)
    const folder = await temporaryFolder()
    await saveAutoencoder(folder, { network, scale: unscaled(network.config) })
    const measured = await measureReconstructions(data, {
      folder,
      precision: 'f32',
      device: 'cpu',
      featuresOf,
      lpips,
    })
    return { network, folder, ...measured }
  }

  it('compares what an autoencoder makes of held-out pictures with these', async () => {
    const { network, folder, metrics, sheet } = await measure(sizes, lpipsWeights)
    using _ = network
    const made = await reconstruct({ network }, heldOut)
    const over = (metric: typeof psnr) => mean(made.map((image, i) => metric(image, heldOut[i]!)))
    expect(metrics.psnr).toBeCloseTo(over(psnr), 10)
    expect(metrics.ssim).toBeCloseTo(over(ssim), 10)
    const moments = async (images: readonly Image[]) => momentsOf(await featuresOf(images))
    const real = await moments(heldOut)
    expect(metrics.rfid).toBeCloseTo(frechetDistance(real, await moments(made)), 6)
    expect(metrics.rfid_training).toBeGreaterThan(0)
    expect(metrics.lpips).toBeGreaterThan(0)
    using codec = await AutoencoderCodec.load(folder, { compute: 'f32', device: 'cpu' })
    codec.calibrate(await codec.measure(data.training.pictures.map(({ image }) => image)))
    const previews: number[] = []
    for (const image of heldOut) {
      const [values, sizes] = [await codec.encode([image]), [{ height: 16, width: 16 }]]
      previews.push(psnr(codec.preview!(values, sizes)[0]!, (await codec.decode(values, sizes))[0]!))
    }
    expect(metrics.preview_psnr).toBeCloseTo(mean(previews), 10)
    expect(metrics).not.toHaveProperty('codes_used')
    expect(sheet.channels).toBe(3)
  })

  it('counts the codes of a VQ-VAE over all pictures', async () => {
    const { network, metrics } = await measure({ ...sizes, codebook: { codes: 16 } })
    using _ = network
    const counts = new Map<number, number>()
    for (const image of heldOut) {
      const { values } = pixelsOf(image)
      using ids = scope(() => network.encodeToCodes(fromArray(values, [1, 32, 32, 3])))
      for (const id of (await ids.read()) as Int32Array) counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    const shares = [...counts.values()].map((count) => count / (heldOut.length * 16 * 16))
    expect(metrics.codes_used).toBe(counts.size)
    const entropy = -shares.reduce((sum, share) => sum + share * Math.log(share), 0)
    expect(metrics.code_perplexity).toBeCloseTo(Math.exp(entropy), 8)
  })
})
