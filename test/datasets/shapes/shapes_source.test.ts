import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../lib/config/parse.js'
import type { RawDocument } from '../../../lib/data/document.js'
import { textsOf } from '../../../lib/data/sources/document_source.js'
import { dataSchema, openSources } from '../../../lib/datasets/data_config.js'
import { shapesDocument, type ShapesOptions } from '../../../lib/datasets/shapes/documents.js'
import { shapesSource } from '../../../lib/datasets/shapes/shapes_source.js'
import { collect } from '../../data/stream/documents.js'

const options: ShapesOptions = { size: 32, seed: 0, tasks: { caption: 1, question: 1, edit: 1 } }

/** So many documents from a cursor on. */
async function take(count: number, position: number, source = shapesSource(options), seed = 0) {
  const documents: RawDocument[] = []
  for await (const { document } of source.read(seed, { position })) {
    documents.push(document as RawDocument)
    if (documents.length === count) break
  }
  return documents
}

describe('shapesSource', () => {
  it('gives document i by seed and number alone, without end', async () => {
    const documents = await take(20, 0)
    expect(documents).toEqual(Array.from({ length: 20 }, (_, i) => shapesDocument(options, i)))
    expect(await take(5, 15, shapesSource(options), 99)).toEqual(documents.slice(15))
    expect(await take(1, 2 ** 40)).toEqual([shapesDocument(options, 2 ** 40)])
    expect(shapesDocument({ ...options, seed: 1 }, 0)).not.toEqual(documents[0])
    const texts = new Set(
      Array.from({ length: 500 }, (_, i) => JSON.stringify(shapesDocument(options, i).parts)),
    )
    expect(texts.size).toBe(500)
  })

  it('shuffles a given number of documents in each epoch', async () => {
    const source = shapesSource(options, 10)
    expect(source.length).toBe(10)
    const epochs = await take(20, 0, source, 5)
    const names = Array.from({ length: 10 }, (_, i) => `shapes ${i}`)
    expect(
      epochs
        .slice(0, 10)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(names)
    expect(epochs.slice(0, 10)).not.toEqual(epochs.slice(10))
    expect(await collect(source.once())).toEqual(names.map((_, i) => shapesDocument(options, i)))
  })

  it('mixes captions, questions and edits by their weights', () => {
    const kinds = (tasks: ShapesOptions['tasks']) => {
      const counts: Record<string, number> = {}
      for (let i = 0; i < 600; i++) {
        const { parts } = shapesDocument({ ...options, tasks }, i)
        const kind = parts.map(({ type }) => type).join(' ')
        counts[kind] = (counts[kind] ?? 0) + 1
      }
      return counts
    }
    expect(kinds({ caption: 1, question: 0, edit: 0 })).toEqual({ 'text image': 600 })
    const mixed = kinds({ caption: 2, question: 1, edit: 1 })
    expect(Object.keys(mixed).toSorted()).toEqual(['image text image', 'image text text', 'text image'])
    expect(mixed['text image']! / 600).toBeCloseTo(0.5, 1)
    expect(mixed['image text text']! / 600).toBeCloseTo(0.25, 1)
  })
})

describe('data of type shapes', () => {
  const parse = (data: object) => parseConfig(dataSchema, { type: 'shapes', ...data }, 'data')

  it('has defaults, and says what is wrong with tasks and sizes', async () => {
    expect(parse({})).toEqual({
      type: 'shapes',
      size: 32,
      seed: 0,
      tasks: { caption: 1, question: 0, edit: 0 },
    })
    expect(() => parse({ tasks: { caption: 0 } })).toThrow(/tasks: expected a weight above 0/)
    expect(() => parse({ tasks: { edits: 1 } })).toThrow(/tasks.*edits/s)
    expect(() => parse({ size: 31 })).toThrow(/size: .*32/)
    const [opened] = await openSources(parse({ size: 40, count: 3, tasks: { edit: 1, caption: 0 } }))
    const documents = (await collect(opened!.source.once())) as RawDocument[]
    expect(
      documents.map(({ parts }) => parts.map((part) => ('image' in part ? part.image.width : part.type))),
    ).toEqual(Array.from({ length: 3 }, () => [40, 'text', 40]))
  })

  it('gives texts from which a tokenizer learns every word', async () => {
    const [opened] = await openSources(parse({ tasks: { question: 1, edit: 1 } }))
    const words = new Set((await collect(textsOf(opened!.source))).flatMap((text) => text.match(/\w+/g)!))
    for (const word of ['diamond', 'crosses', 'purple', 'zero', 'four', 'shift', 'below'])
      expect(words).toContain(word)
  })
})
