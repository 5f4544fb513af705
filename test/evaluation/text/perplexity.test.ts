import { expect, it } from 'vitest'
import { captionedImage } from '../../../lib/data/sources/image_dataset.js'
import type { Likelihood } from '../../../lib/evaluation/text/likelihood.js'
import { captionPerplexity } from '../../../lib/evaluation/text/perplexity.js'
import { rankOptions } from '../../../lib/evaluation/text/rank.js'
import { scriptedModel } from '../../generation/scripted_model.js'
import { testImage } from '../../models/transfusion/tiny_model.js'

const image = testImage(4, 6, 1)

it('takes pairs, and the samples of data sets', async () => {
  const model = await scriptedModel()
  const wanted = await captionPerplexity(model, [
    { image, caption: 'a b' },
    { image, caption: 'c' },
  ])
  // By the likelihoods of the captions as answers to the images.
  const likelihoods: Likelihood[] = []
  const questions = ['a b', 'c'].map((option) => ({ context: [image], options: [option] }))
  for await (const ranking of rankOptions(model, questions)) likelihoods.push(...ranking.likelihoods)
  const nll = likelihoods[0]!.nll + likelihoods[1]!.nll
  expect(likelihoods.map(({ tokens }) => tokens)).toEqual([2, 1])
  expect(wanted).toBeCloseTo(Math.exp(nll / 3), 8)
  const samples = [captionedImage('a b', image), captionedImage('c', image)]
  expect(await captionPerplexity(model, samples)).toBe(wanted)
  expect(await captionPerplexity(model, new Set(samples))).toBe(wanted)
  await expect(captionPerplexity(model, [])).rejects.toThrow(
    'captionPerplexity: pairs must have a caption to predict',
  )
  await expect(captionPerplexity(model, [samples[0]!, { parts: [] }])).rejects.toThrow(
    'captionPerplexity: pairs[1] must be { image, caption }, or a sample with one of each, received an object { parts }',
  )
})
