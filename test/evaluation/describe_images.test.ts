import { expect, it } from 'vitest'
import { describeImages } from '../../lib/evaluation/describe_images.js'
import { scriptedModel } from '../generation/scripted_model.js'
import { testImage } from '../models/transfusion/tiny_model.js'

it('tells which captions are cut at the length, which is the choice of the caller', async () => {
  const model = await scriptedModel()
  const described = async (maxTokens?: number) => {
    const cut: number[] = []
    const images = [testImage(4, 6, 1), testImage(4, 6, 2)]
    const texts = await describeImages(model, images, {
      ...(maxTokens && { maxTokens }),
      onCut: (image) => cut.push(image),
    })
    return { texts, cut }
  }
  expect(await described()).toEqual({ texts: ['c d e f', 'c d e f'], cut: [] })
  expect(await described(5)).toEqual({ texts: ['c d e f', 'c d e f'], cut: [] })
  expect(await described(2)).toEqual({ texts: ['c d', 'c d'], cut: [0, 1] })
})
