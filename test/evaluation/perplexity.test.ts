import { expect, it } from 'vitest'
import { captionedImage } from '../../lib/data/sources/image_dataset.js'
import { captionPerplexity } from '../../lib/evaluation/perplexity.js'
import { scriptedModel } from '../generation/scripted_model.js'
import { testImage } from '../models/transfusion/tiny_model.js'

const image = testImage(4, 6, 1)

it('takes pairs, and the samples of data sets', async () => {
  const model = await scriptedModel()
  const wanted = await captionPerplexity(model, [
    { image, caption: 'a b' },
    { image, caption: 'c' },
  ])
  expect(wanted).toBeGreaterThan(1)
  const samples = [captionedImage('a b', image), captionedImage('c', image)]
  expect(await captionPerplexity(model, samples)).toBe(wanted)
  expect(await captionPerplexity(model, new Set(samples))).toBe(wanted)
  await expect(captionPerplexity(model, [])).rejects.toThrow(
    'captionPerplexity: pairs have no caption to predict',
  )
  await expect(captionPerplexity(model, [samples[0]!, { parts: [] }])).rejects.toThrow(
    'captionPerplexity: pairs[1] must be { image, caption }, or a sample with one of each, received an object { parts }',
  )
})
