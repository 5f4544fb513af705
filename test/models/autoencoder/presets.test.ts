import { expect, it } from 'vitest'
import { downscaleOf } from '../../../lib/models/autoencoder/config.js'
import { namedAutoencoderSizes } from '../../../lib/models/autoencoder/model_options.js'
import { autoencoderParameters } from '../../../lib/models/autoencoder/network.js'
import { type AutoencoderPresetName, autoencoderPresets } from '../../../lib/models/autoencoder/presets.js'
import { elementsOf } from '../../../lib/tensor/shape.js'

it.each<[AutoencoderPresetName, number, latent: [number, number]]>([
  ['32px', 1.0, [8, 4]],
  ['64px', 2.7, [16, 4]],
  ['128px', 3.9, [16, 8]],
  // The paper's: 86M parameters, 256 x 256 x 3 to 32 x 32 x 8.
  ['256px', 86, [32, 8]],
])('the preset %s has %f M parameters, and latents of %j', (name, millions, [side, channels]) => {
  const { image, ...sizes } = autoencoderPresets[name]
  const count = autoencoderParameters(sizes).reduce((sum, { shape }) => sum + elementsOf(shape), 0) / 1e6
  expect(count.toFixed(millions < 10 ? 1 : 0)).toBe(millions.toFixed(millions < 10 ? 1 : 0))
  expect(image.width / downscaleOf(sizes)).toBe(side)
  expect(sizes.latentChannels).toBe(channels)
  expect(namedAutoencoderSizes({ preset: name, latentChannels: 3 })).toEqual({ ...sizes, latentChannels: 3 })
})
