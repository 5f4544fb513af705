import { expect, test } from 'vitest'
import { isImageParameter } from '../../../lib/models/transfusion/image_parameters.js'

test('positions of images alone use the patch encoder and decoder, and the copies under "image"', () => {
  const names = [
    'patch_encoder.projection.weight',
    'patch_decoder.projection.bias',
    'image.norm.weight',
    'layers.11.image.feed_forward.gate_up.weight',
  ]
  expect(names.filter((name) => !isImageParameter(name))).toEqual([])
})

test("all other parameters are the text's", () => {
  const names = [
    'embedding.weight',
    'output.weight',
    'norm.weight',
    'layers.0.attention.qkv.weight',
    'layers.0.feed_forward.gate_up.weight',
    'layers.0.images.weight',
    'my.image.weight',
  ]
  expect(names.filter(isImageParameter)).toEqual([])
})
