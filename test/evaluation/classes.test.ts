import { expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../lib/tokenizer/caption_tokenizer.js'
import { checkClassImages, describeImages } from '../../lib/evaluation/classes.js'
import { Transfusion } from '../../lib/transfusion.js'
import { scriptedModel } from '../generation/scripted_model.js'
import { testImage } from '../models/transfusion/tiny_model.js'

const image = { channels: 1, patch: 2, height: 4, width: 6 }
it('says which captions are cut, and where is for the caller to say', async () => {
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

it('tells colour from grayscale', () => {
  using model = Transfusion.create(
    { layers: 1, channels: 32, heads: 2, feedForward: 48, image },
    makeCaptionTokenizer(['a']),
  )
  const test = { height: 4, width: 6, channels: 3 } as never
  expect(() => checkClassImages(model, { training: test, test, captions: [] })).toThrow(
    "the images are 4 x 6 in colour, the model's 4 x 6 of 1 channels",
  )
})
