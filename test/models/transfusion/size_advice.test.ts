import { expect, it } from 'vitest'
import { objectiveSchema } from '../../../lib/diffusion/objective.js'
import { transfusionConfigSchema, type TransfusionOptions } from '../../../lib/models/transfusion/config.js'
import { paperImages, paperVocabulary, presets } from '../../../lib/models/transfusion/presets.js'
import { sizeAdvice } from '../../../lib/models/transfusion/size_advice.js'

function advice(
  image: Partial<TransfusionOptions['image']>,
  objective: object = {},
  sizes: Partial<TransfusionOptions> = presets.tiny,
): string[] {
  const images = { channels: 3, patch: 8, height: 32, width: 32, ...image }
  const config = transfusionConfigSchema.parse({
    ...paperVocabulary,
    ...presets.tiny,
    ...sizes,
    image: images,
  })
  return sizeAdvice(config, objectiveSchema.parse(objective))
}

it('warns of patches with more values than the model has channels, and says what to do', () => {
  expect(advice({}, { prediction: 'v', weighting: 'v' })).toEqual([
    "image.patch: a patch of 8 x 8 x 3 has 192 values, more than the model's 128 channels, so that a prediction of v " +
      'loses 33% of the noise and generated images stay speckled; set "objective": {"prediction": "x0", "weighting": "v"}, ' +
      'image.patch to 4 or channels to 192',
  ])
  expect(advice({ patch: 16 })[0]).toContain('loses 83% of the noise')
  expect(advice({ patch: 7, height: 28, width: 28 })[0]).toContain('image.patch to 1 or channels to 152')
  const wide = { channels: 200, patch: 1, height: 2, width: 2 }
  expect(advice(wide)[0]).toMatch(/"weighting": "v"} or channels to 200$/)
})

it('is silent where a vector can hold a patch', () => {
  expect(advice({ patch: 4 })).toEqual([])
  expect(advice({ channels: 1 })).toEqual([])
  expect(advice({}, {}, { channels: 192 })).toEqual([])
  expect(advice(paperImages, {}, presets['0.16B'])).toEqual([])
})

it('is silent where noise need not go through it', () => {
  expect(advice({ patch: 16 }, { prediction: 'x0', weighting: 'v' })).toEqual([])
  expect(advice({ unet: { channels: [32, 64], stem: 4 } })).toEqual([])
})
