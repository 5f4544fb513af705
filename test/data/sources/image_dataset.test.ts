import { expect, it } from 'vitest'
import { captionedImage } from '../../../lib/data/sources/image_dataset.js'

const image = { width: 1, height: 1, channels: 1, data: Uint8Array.of(7) } as const

it('puts the caption before its image', () => {
  const parts = [
    { type: 'text', text: 'seven' },
    { type: 'image', image },
  ]
  expect(captionedImage('seven', image)).toEqual({ parts })
  expect(captionedImage('seven', image, 3)).toEqual({ parts, label: 3 })
})

it.each([
  [
    image,
    'seven',
    'captionedImage: the caption must be a text; received an object { width, height, channels, data }',
  ],
  ['seven', Promise.resolve(image), 'received a promise, which is to be awaited'],
  ['seven', undefined, 'as readImage makes of files; received nothing'],
  ['seven', 'a.png', 'captionedImage: expected an image { width, height, channels, data }'],
])('refuses what is no text and no image: %#', (text, other, words) => {
  const make = () => captionedImage(text as string, other as never)
  expect(make).toThrow(TypeError)
  expect(make).toThrow(words)
})
