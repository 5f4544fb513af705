import { expect, it } from 'vitest'
import type { RawDocument } from '../../../lib/data/document.js'
import { inlinePreprocessor } from '../../../lib/data/stream/preprocessor.js'
import { textPerplexity, textWindows } from '../../../lib/evaluation/text/text_perplexity.js'
import { scriptedModel } from '../../generation/scripted_model.js'

const windows = (length: number, window: number, stride: number) =>
  Array.from(textWindows([...Array(length).keys()], window, stride), ({ parts }) =>
    parts.map((part) => (part.type === 'text' ? part.ids : [])),
  )

it('counts each token once, in windows that overlap', () => {
  expect(windows(3, 4, 2)).toEqual([[[], [0, 1, 2]]])
  expect(windows(8, 4, 2)).toEqual([
    [[], [0, 1, 2, 3]],
    [
      [2, 3],
      [4, 5],
    ],
    [
      [4, 5],
      [6, 7],
    ],
  ])
  expect(windows(5, 2, 2)).toEqual([
    [[], [0, 1]],
    [[], [2, 3]],
    [[], [4]],
  ])
})

/** Perplexity by a model that is sure of "b" after "a", "d" after "c" and "f" after "e". */
async function perplexityOf(texts: string[], options = {}) {
  const model = await scriptedModel()
  async function* documents(): AsyncGenerator<RawDocument> {
    for (const text of texts) yield { name: 'text', parts: [{ type: 'text', text }] }
  }
  const preprocessing = inlinePreprocessor(model.tokenizer, { width: 6, height: 4 })
  return await textPerplexity(model, documents(), preprocessing, options)
}

it('is per token and per byte, over all documents', async () => {
  const one = await perplexityOf(['a b'])
  expect(one).toMatchObject({ documents: 1, tokens: 2, bytes: 3 })
  const nats = 2 * Math.log(one.perplexity)
  expect(one.bitsPerByte).toBeCloseTo(nats / Math.LN2 / 3, 10)
  // All of it is the surprise of "a" where the document begins: "b" costs nothing.
  const begun = await perplexityOf(['a'])
  expect(Math.log(begun.perplexity)).toBeCloseTo(nats, 3)
  const two = await perplexityOf(['a b', 'a'])
  expect(two).toMatchObject({ documents: 2, tokens: 3, bytes: 4 })
  expect(3 * Math.log(two.perplexity)).toBeCloseTo(2 * nats, 3)
})

it('takes texts as they are, alone, in arrays and in iterables', async () => {
  const model = await scriptedModel()
  async function* later() {
    yield 'a b'
    yield 'a'
  }
  const wanted = await perplexityOf(['a b', 'a'])
  expect(await textPerplexity(model, ['a b', 'a'])).toEqual(wanted)
  expect(await textPerplexity(model, new Set(['a b', 'a']))).toEqual(wanted)
  expect(await textPerplexity(model, later())).toEqual(wanted)
  expect(await textPerplexity(model, 'a b')).toEqual(await perplexityOf(['a b']))
  await expect(textPerplexity(model, ['a', 7 as never])).rejects.toThrow(
    'textPerplexity: documents[1] must be a text, or a document as sources give them, received 7',
  )
})

it('predicts from what overlaps', async () => {
  const separate = await perplexityOf(['a b c d'], { window: 1, stride: 1 })
  const overlapping = await perplexityOf(['a b c d'], { window: 2, stride: 1 })
  expect(separate.tokens).toBe(overlapping.tokens)
  expect(overlapping.perplexity).toBeLessThan(separate.perplexity)
})

it('refuses strides that leave tokens out, and nothing to predict', async () => {
  await expect(perplexityOf(['a'], { window: 2, stride: 3 })).rejects.toThrow('received 3 of 2')
  await expect(perplexityOf([])).rejects.toThrow('documents must have a token to predict, received none')
})
