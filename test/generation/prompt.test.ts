import { createContext, runInContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { GenerativeConfig, GenerativeNetwork } from '../../lib/generation/model.js'
import { firstParts, preparePrompt, type PromptModel } from '../../lib/generation/prompt.js'
import { transfusionConfigSchema } from '../../lib/models/transfusion/config.js'
import { testImage, testImagePart, tinyConfig, tokens } from '../models/transfusion/tiny_model.js'
import { tokenizer } from './scripted_model.js'

const modelOf = (config: GenerativeConfig): PromptModel => ({
  network: { config } as GenerativeNetwork,
  tokenizer,
})
const model = modelOf(transfusionConfigSchema.parse(tinyConfig))

const text = (...ids: number[]) => ({ type: 'text' as const, ids })

describe('preparePrompt', () => {
  it('begins with BOS, frames images, and leaves empty texts out', async () => {
    const image = testImage(4, 4, 1)
    const { prompt } = await preparePrompt(['', image, 'a b'], model)
    expect(prompt).toEqual([
      text(tokens.bos),
      text(tokens.boi),
      testImagePart(4, 4, 1),
      text(tokens.eoi),
      text(5, 6),
    ])
  })

  it('refuses tokens that the model does not have', async () => {
    const small = { ...model.network.config, vocabulary: 6 }
    await expect(preparePrompt('a b', modelOf(small))).rejects.toThrow(
      "prompt: ids of the tokenizer must be below 6, the model's vocabulary, received 6",
    )
  })
})

describe('what a prompt takes', () => {
  const image = testImage(4, 4, 1)
  const spansOf = async (prompt: unknown) => (await preparePrompt(prompt as never, model)).prompt
  const foreign = (code: string) => runInContext(code, createContext({ data: [...image.data] })) as unknown

  it.each([
    ['clamped values', { ...image, data: Uint8ClampedArray.from(image.data) }],
    ['no number of channels', { width: 4, height: 4, data: image.data }],
    [
      'values of another realm',
      foreign('({ width: 4, height: 4, channels: 1, data: new Uint8Array(data) })'),
    ],
  ])('reads an image of %s', async (_, piece) => {
    expect((await spansOf([piece]))[2]).toEqual(testImagePart(4, 4, 1))
  })

  it('reads a list of another realm', async () => {
    expect(await spansOf(foreign('["a b"]'))).toEqual(await spansOf(['a b']))
  })

  it.each([
    [undefined, 'prompt must be text, or a list of texts and images, received nothing'],
    [{ width: 4, data: image.data }, 'received an object { width, data }'],
    [
      new Uint8Array(9),
      'prompt must be text, or a list of texts and images, received a Uint8Array of 9 values',
    ],
    [[new ArrayBuffer(9)], 'prompt[0] must be text or an image'],
    [['a', Array(5000).fill(1)], 'as readImage makes of files, received an array of 5000'],
    [[new URL('file:///a.png')], 'received file:///a.png'],
    [[Promise.resolve(image)], 'received a promise, which is to be awaited'],
    [
      [{ ...image, data: Array(5000).fill(1) }],
      'data must be a Uint8Array, values 0..255, received an array of 5000',
    ],
    [[{ ...image, data: new Float32Array(16) }], 'received a Float32Array of 16 values'],
  ])('refuses all else in one line: %#', async (prompt, words) => {
    await expect(spansOf(prompt)).rejects.toThrow(TypeError)
    await expect(spansOf(prompt)).rejects.toThrow(words)
  })

  it('refuses a canvas of four channels with what converts it', async () => {
    const canvas = { width: 4, height: 4, data: new Uint8ClampedArray(64) }
    await expect(spansOf([canvas])).rejects.toThrow(
      'prompt[0]: an image must have 1 channels, as the model reads it and readImage gives it, received 4',
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
