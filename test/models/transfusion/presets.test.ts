import { describe, expect, it } from 'vitest'
import type { TransfusionOptions } from '../../../lib/models/transfusion/config.js'
import { TransfusionNetwork, transfusionParameters } from '../../../lib/models/transfusion/model.js'
import { paperImages, paperUNet, paperVocabulary, presets } from '../../../lib/models/transfusion/presets.js'
import type { Parameter } from '../../../lib/nn/parameters.js'
import { memory } from '../../../lib/tensor/device.js'
import { elementsOf } from '../../../lib/tensor/shape.js'
import { tinyConfig } from './tiny_model.js'

const isPatchPart = ({ name }: Parameter) => name.startsWith('patch_')
const count = (parameters: readonly Parameter[]) =>
  parameters.reduce((total, { shape }) => total + elementsOf(shape), 0)

describe('presets', () => {
  it.each([
    ['0.16B', 0.162],
    ['0.37B', 0.374],
    ['0.76B', 0.778],
    ['1.4B', 1.364],
    ['7B', 6.738],
  ] as const)('%s has the transformer of the paper, and linear patch parts below 0.5%%', (name, billions) => {
    const before = memory().live
    const parameters = transfusionParameters({ ...presets[name], ...paperVocabulary, image: paperImages })
    expect(memory().live).toBe(before)
    const transformer = count(parameters.filter((parameter) => !isPatchPart(parameter)))
    expect((transformer / 1e9).toFixed(3)).toBe(String(billions))
    expect(count(parameters.filter(isPatchPart)) / transformer).toBeLessThan(0.005)
  })

  it.each([
    ['0.16B', '0.267'],
    ['0.37B', '0.268'],
    ['0.76B', '0.270'],
    ['1.4B', '0.273'],
    ['7B', '0.281'],
  ] as const)("%s gets about the paper's 0.27 B more with a U-Net", (name, billions) => {
    const image = { ...paperImages, unet: paperUNet }
    const parameters = transfusionParameters({ ...presets[name], ...paperVocabulary, image })
    expect((count(parameters.filter(isPatchPart)) / 1e9).toFixed(3)).toBe(billions)
  })

  it('are counted as the network has them', () => {
    using network = new TransfusionNetwork(tinyConfig)
    expect(count(transfusionParameters(tinyConfig))).toBe(network.arena.parameterCount)
  })
})

describe('model config', () => {
  const errorOf = (change: object) => () =>
    transfusionParameters({ ...tinyConfig, ...change } as TransfusionOptions)

  it('names the nearest key', () => {
    expect(errorOf({ chanels: 32 })).toThrow(/chanels: unknown key.*channels/)
    expect(errorOf({ image: { ...tinyConfig.image, timesteps: 'after' } })).toThrow(
      /image\.timesteps: unknown key.*timestep/,
    )
    expect(errorOf({ image: { ...tinyConfig.image, timestep: 'befor' } })).toThrow(
      /image\.timestep: did you mean "before"\?/,
    )
  })

  it.each([
    ['heads', { heads: 3 }, /channels: expected a multiple of twice the heads \(6\).*received 32/],
    ['odd head sizes', { channels: 34 }, /channels: expected a multiple of twice the heads \(4\)/],
    [
      'key/value heads',
      { heads: 4, kvHeads: 3 },
      /kvHeads: expected a divisor of the heads \(4\); received 3/,
    ],
    [
      'token ids',
      { tokens: { end: 2, boi: 12, eoi: 11 } },
      /tokens\.boi: expected an id below the vocabulary's size \(12\); received 12/,
    ],
    [
      'image sizes',
      { image: { ...tinyConfig.image, width: 5 } },
      /image\.width: expected a multiple of the patch size \(2\); received 5/,
    ],
    [
      'patches and U-Net levels',
      { image: { ...tinyConfig.image, unet: { channels: [8, 16, 32] } } },
      /image\.patch: expected 4: the U-Net's stem of 1, doubled by each of its 3 levels but the first; received 2/,
    ],
    [
      'a U-Net and its heads',
      { image: { ...tinyConfig.image, unet: { channels: [8, 18], heads: 4 } } },
      /image\.unet\.heads: expected a divisor of the lowest level's 18 channels; received 4/,
    ],
  ])('refuses %s that do not fit', (_what, change, message) => {
    expect(errorOf(change)).toThrow(message)
  })
})
