import { describe, expect, it } from 'vitest'
import type { TokenizedDocument, TokenizedPart } from '../../../../lib/data/document.js'
import type { DocumentStream } from '../../../../lib/data/document_stream.js'
import { prepareSequence } from '../../../../lib/models/transfusion/training/prepare_sequence.js'
import { BatchMaker } from '../../../../lib/models/transfusion/training/batches.js'
import {
  transfusionTrainingSchema,
  type TransfusionTrainingSettings,
} from '../../../../lib/models/transfusion/training/options.js'
import type { Part } from '../../../../lib/sequence/document.js'
import { newModel } from '../../../training/synthetic_dataset.js'

const model = newModel()

const text = (...ids: number[]): TokenizedPart => ({ type: 'text', ids: Int32Array.from(ids) })
const image: TokenizedPart = {
  type: 'image',
  image: { height: 8, width: 8, channels: 1, data: new Uint8Array(64) },
}

/** Documents 0, 1, 2, ... as `make` gives them. */
function streamOf(make: (number: number) => readonly TokenizedPart[], from = 0): DocumentStream {
  let number = from
  return {
    async next() {
      const document = { name: `document ${number}`, parts: make(number) }
      number++
      return { document, state: { sources: [{ cursor: { number }, positions: 0, skipped: 0 }] } }
    },
    async close() {},
  }
}

const options = (more: Partial<TransfusionTrainingSettings>) =>
  transfusionTrainingSchema.parse({ steps: 1, ...more })

/** Texts of 1 to 9 tokens, which with BOS and the end take two positions more. */
const tokensOf = (number: number) => 1 + ((number * 7) % 9)
const texts = (number: number) => [text(...Array<number>(tokensOf(number)).fill(5))]

describe('BatchMaker', () => {
  it('fills a batch with as many documents as fit, in order, and goes on with the one that did not', async () => {
    const batches = new BatchMaker(streamOf(texts), model, options({ batchTokens: 30 }))
    let number = 0
    for (let step = 0; step < 5; step++) {
      const { microBatches, dataState } = await batches.make(step)
      const lengths: number[] = []
      for (let left = 30, length; (length = tokensOf(number) + 2) <= left; number++) {
        lengths.push(length)
        left -= length
      }
      expect(microBatches.map(({ packed }) => packed.ids.length)).toEqual([lengths.reduce((a, b) => a + b)])
      expect(dataState.sources[0]!.cursor).toEqual({ number })
    }
  })

  it('goes on from a state with the same batches', async () => {
    const settings = options({ batchTokens: 41, gradientAccumulation: 2 })
    const whole = new BatchMaker(streamOf(texts), model, settings)
    for (let step = 0; step < 4; step++) {
      const { dataState } = await whole.make(step)
      const from = dataState.sources[0]!.cursor!['number']
      const resumed = new BatchMaker(streamOf(texts, from), model, settings)
      const expected = new BatchMaker(streamOf(texts), model, settings)
      for (let before = 0; before <= step; before++) await expected.make(before)
      expect(await resumed.make(step + 1)).toEqual(await expected.make(step + 1))
    }
  })

  it('cuts a batch of documents into micro-batches, with noise of their own and one count of all', async () => {
    const batches = new BatchMaker(
      streamOf(() => [text(5), image]),
      model,
      options({ batchSize: 7, gradientAccumulation: 3, conditionDropout: 0 }),
    )
    const { microBatches, denominators } = await batches.make(0)
    expect(microBatches.map(({ packed }) => packed.images.length)).toEqual([3, 2, 2])
    expect(denominators.images).toBe(7)
    expect(denominators.tokens).toBe(microBatches.reduce((sum, { packed }) => sum + packed.targets, 0))
    const keys = microBatches.flatMap(({ seeds }) =>
      Array.from({ length: seeds.length / 4 }, (_, i) => seeds[i * 4]),
    )
    expect(new Set(keys).size).toBe(7)
    const one = new BatchMaker(
      streamOf(() => [text(5), image]),
      model,
      options({ batchSize: 7, conditionDropout: 0 }),
    )
    const whole = (await one.make(0)).microBatches[0]!
    expect(microBatches.flatMap(({ targets }) => [...targets.t])).toEqual([...whole.targets.t])
    expect(microBatches.flatMap(({ seeds }) => [...seeds])).toEqual([...whole.seeds])
  })

  it('names a document that is longer than a batch', async () => {
    const batches = new BatchMaker(
      streamOf(texts),
      model,
      options({ batchTokens: 8, gradientAccumulation: 2 }),
    )
    await expect(batches.make(0)).rejects.toThrow(
      'document 1: a document of 10 positions does not fit a batch of 4',
    )
  })
})

describe('prepareSequence', () => {
  const prepare = (
    parts: readonly TokenizedPart[],
    more: Partial<TransfusionTrainingSettings>,
    number: number,
  ) => prepareSequence({ name: 'a', parts } satisfies TokenizedDocument, model, options(more), 0, number)
  const { bos, end, boi, eoi } = model.network.config.tokens
  const special = [bos, end, boi, eoi]
  const isSpecial = (span: Part) => span.type === 'text' && special.includes(span.ids[0])
  const kinds = (parts: readonly { type: string }[]) => parts.map(({ type }) => type).join(' ')
  const counted = (parts: readonly TokenizedPart[], more: Partial<TransfusionTrainingSettings>) => {
    const counts: Record<string, number> = {}
    for (let number = 0; number < 1000; number++) {
      const { spans, textTargets } = prepare(parts, more, number)
      const key = `${kinds(spans.filter((span) => !isSpecial(span)))}${textTargets ? '' : ' alone'}`
      counts[key] = (counts[key] ?? 0) + 1
    }
    return counts
  }

  it('chooses the order of a caption and its image, and drops the caption of a share', () => {
    const counts = counted([text(5), image], { conditionDropout: 0.25 })
    expect(counts['image text']).toBeGreaterThan(150)
    expect(counts['image text']).toBeLessThan(250)
    expect(counts['image alone']! / (1000 - counts['image text']!)).toBeCloseTo(0.25, 1)
    expect(Object.keys(counts).toSorted()).toEqual(['image alone', 'image text', 'text image'])
  })

  it('leaves any other document in its order, and cuts a share down to one of its later images', () => {
    const parts = [image, text(5), image, text(6), image]
    expect(counted(parts, { conditionDropout: 0 })).toEqual({ [kinds(parts)]: 1000 })
    const { 'image alone': alone } = counted(parts, { conditionDropout: 0.5 })
    expect(alone).toBeGreaterThan(430)
    expect(alone).toBeLessThan(570)
    expect(counted([image, text(5)], { conditionDropout: 1 })).toEqual({ 'image text': 1000 })
    expect(counted([text(5)], { conditionDropout: 1 })).toEqual({ text: 1000 })
  })
})

it('says of a batch that cannot be one thing alone', () => {
  const issues = (options: object) =>
    transfusionTrainingSchema
      .safeParse({ steps: 1, ...options })
      .error?.issues.map(({ path }) => path.join('.'))
  expect(issues({ batchSize: 0 })).toEqual(['batchSize'])
  expect(issues({ batchSize: 2, gradientAccumulation: 3 })).toEqual(['gradientAccumulation'])
})
