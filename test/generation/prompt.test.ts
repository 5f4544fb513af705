import { describe, expect, it } from 'vitest'
import { firstParts, promptSpans } from '../../lib/generation/prompt.js'
import { testImage, testImagePart, tinyConfig, tokens } from '../models/tiny_model.js'
import { tokenizer } from './scripted_model.js'

const text = (...ids: number[]) => ({ type: 'text' as const, ids })

describe('promptSpans', () => {
  it('begins with BOS, frames images, and leaves empty texts out', async () => {
    const image = testImage(4, 4, 1)
    const spans = await promptSpans(['', image, 'a b'], tokenizer, tinyConfig as never)
    expect(spans).toEqual([
      text(tokens.bos),
      text(tokens.boi),
      { type: 'image', height: 4, width: 4, image },
      text(tokens.eoi),
      text(5, 6),
    ])
  })

  it('refuses tokens that the model does not have', async () => {
    const small = { ...tinyConfig, vocabulary: 6 }
    await expect(promptSpans('a b', tokenizer, small as never)).rejects.toThrow(
      "prompt: token 6 of the tokenizer, the model's vocabulary has 6",
    )
  })
})

describe('firstParts', () => {
  // Of 6 positions.
  const image = testImagePart(4, 6, 1)
  const parts = [text(1, 2, 3), image, text(4)]

  it('cuts texts and keeps images whole', () => {
    expect(firstParts(parts, 2, 2)).toEqual([[text(1, 2)], [text(3), image, text(4)]])
    expect(firstParts(parts, 3, 2)).toEqual([[text(1, 2, 3)], [image, text(4)]])
    expect(firstParts(parts, 8, 2)).toEqual([[text(1, 2, 3)], [image, text(4)]])
    expect(firstParts(parts, 9, 2)).toEqual([[text(1, 2, 3), image], [text(4)]])
    expect(firstParts(parts, 10, 2)).toEqual([parts, []])
  })

  it('gives an image that is larger than the budget, where it is the first', () => {
    expect(firstParts([image, text(4)], 2, 2)).toEqual([[image], [text(4)]])
    expect(firstParts([text(4)], 0, 2)).toEqual([[text(4)], []])
  })
})
