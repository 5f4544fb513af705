import { describe, expect, it } from 'vitest'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import {
  checkClassData,
  checkClassImages,
  type ClassData,
} from '../../../lib/evaluation/classes/class_data.js'
import { Transfusion } from '../../../lib/transfusion.js'

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

describe('checkClassData', () => {
  const images = (labels: number[], channels = 1): ClassData['training'] => ({
    length: labels.length,
    width: 2,
    height: 2,
    channels: channels as 1 | 3,
    pixels: new Uint8Array(4 * channels * labels.length),
    labels,
    image: () => ({ width: 2, height: 2, channels: 1, data: new Uint8Array(4) }),
    label: (i) => labels[i]!,
  })
  const captions = ['a', 'b']

  it('takes labels of classes, of which the test images may lack some', () => {
    checkClassData('op', { training: images([0, 1]), test: images([1]), captions })
  })

  it('refuses labels without a caption', () => {
    const refused = (training: number[], test: number[]) => () =>
      checkClassData('op', { training: images(training), test: images(test), captions })
    expect(refused([0, 2], [0])).toThrow(
      'op: data.training.labels must be 0 .. 1, one for each class, received 2',
    )
    expect(refused([0, 1], [-1])).toThrow(
      'op: data.test.labels must be 0 .. 1, one for each class, received -1',
    )
    expect(refused([0.5], [0])).toThrow('received 0.5')
  })

  it('refuses training images of other colours than the test images', () => {
    expect(() => checkClassData('op', { training: images([0]), test: images([0], 3), captions })).toThrow(
      'op: data.test must have images of 2 x 2 in grayscale, as data.training has, received 2 x 2 in colour',
    )
  })
})
