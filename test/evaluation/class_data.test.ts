import { expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../lib/tokenizer/caption_tokenizer.js'
import { checkClassImages } from '../../lib/evaluation/class_data.js'
import { Transfusion } from '../../lib/transfusion.js'

it('tells colour from grayscale', () => {
  const image = { channels: 1, patch: 2, height: 4, width: 6 }
  using model = Transfusion.create(
    { layers: 1, channels: 32, heads: 2, feedForward: 48, image },
    makeCaptionTokenizer(['a']),
  )
  const test = { height: 4, width: 6, channels: 3 } as never
  expect(() => checkClassImages('op', model, { training: test, test, captions: [] })).toThrow(
    'op: data.test must have images of 4 x 6 in grayscale, which the model generates, received 4 x 6 in colour',
  )
})
