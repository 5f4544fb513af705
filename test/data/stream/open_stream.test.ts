import { describe, expect, it } from 'vitest'
import type { StreamState } from '../../../lib/data/document_stream.js'
import { sampleIndex } from '../../../lib/data/sample_order.js'
import { datasetSource } from '../../../lib/data/sources/dataset_source.js'
import {
  type DocumentSource,
  textsOf,
  type UnreadableDocument,
} from '../../../lib/data/sources/document_source.js'
import { captionedImage } from '../../../lib/data/sources/image_dataset.js'
import { openStream, type StreamOptions, type WeightedSource } from '../../../lib/data/stream/open_stream.js'
import { randomUniform } from '../../../lib/random.js'
import {
  collect,
  grey,
  positionsOf,
  size,
  sourceOf,
  take,
  type Taken,
  text,
  tokenizer,
  words,
} from './documents.js'

const options: StreamOptions = { tokenizer, image: size, positionsOf, seed: 3 }
const alone = (source: WeightedSource['source']) => [{ source, weight: 1 }]

/** Texts of 1 to 60 words, of which long ones are cut, images, and documents that cannot be read. */
const varied = (count: number, seed: number) =>
  sourceOf(
    Array.from({ length: count }, (_, i) => {
      const uniform = (step: number) => randomUniform(seed, 'order', step, i)
      if (uniform(0) < 0.1) return new Error(`broken ${i}`)
      if (uniform(0) < 0.4) return [text(words[i % words.length]!), grey(i)]
      const length = 1 + Math.floor(uniform(1) * 60)
      return [text(...Array.from({ length }, (_word, j) => words[(i + j) % words.length]!))]
    }),
    `set ${seed}`,
  )

describe('openStream', () => {
  it("gives a data set's samples in the order of sampleIndex, epoch after epoch", async () => {
    const pixels = (i: number) => ({ ...size, data: new Uint8Array(4).fill(i) })
    const dataset = { length: 5, classNames: [], get: (i: number) => captionedImage(words[i]!, pixels(i)) }
    const stream = openStream(alone(datasetSource(dataset)), options)
    const documents = (await take(stream, 12)).map(({ document }) => document)
    const order = Array.from({ length: 12 }, (_, position) => sampleIndex(position, 5, 3))
    expect(documents).toEqual(order.map((i) => `sample ${i}: ${words[i]} | <${[i, i, i, i]}>`))
  })

  it('goes on from any state as if it had not been interrupted', async () => {
    const sources = [
      { source: varied(17, 1), weight: 2 },
      { source: varied(40, 2), weight: 1 },
    ]
    const settings = { ...options, longest: 12, onUnreadable: 'skip' } as const
    const whole = await take(openStream(sources, settings), 120)
    expect(whole.at(-1)!.state.sources.every(({ skipped }) => skipped > 0)).toBe(true)
    for (let i = 0; i < 110; i++) {
      const resumed = openStream(sources, { ...settings, state: whole[i]!.state })
      expect(await take(resumed, 8)).toEqual(whole.slice(i + 1, i + 9))
      await resumed.close()
    }
  })

  it('shares positions as the weights say, whatever the length of the documents', async () => {
    const long = text(...Array.from({ length: 40 }, () => 'red'))
    const sources = [
      { source: sourceOf([[text('a', 'bag'), grey(1)]]), weight: 1 },
      { source: sourceOf([[long], [text('blue')]]), weight: 1 },
      { source: sourceOf([[text('green')]]), weight: 0.5 },
    ]
    const state = (await take(openStream(sources, options), 2000)).at(-1)!.state
    const positions = state.sources.map((source) => source.positions)
    const total = positions.reduce((sum, n) => sum + n, 0)
    ;[0.4, 0.4, 0.2].forEach((share, i) => expect(positions[i]! / total).toBeCloseTo(share, 2))
  })

  it('takes the first source where several are served equally', async () => {
    const sources = ['x', 'y'].map((name) => ({ source: sourceOf([[text('red')]], name), weight: 1 }))
    const documents = (await take(openStream(sources, options), 4)).map(({ document }) => document)
    expect(documents).toEqual(['x 0: red', 'y 0: red', 'x 0: red', 'y 0: red'])
  })

  it('cuts a text that is too long into consecutive chunks', async () => {
    const source = sourceOf([[text('red', 'green', 'blue'), text('bag', 'coat')]], 'story')
    const taken = await take(openStream(alone(source), { ...options, longest: 4 }), 4)
    expect(taken.map(({ document }) => document)).toEqual([
      'story 0: red green',
      'story 0: blue bag',
      'story 0: coat',
      'story 0: red green',
    ])
    expect(taken.map(({ state }) => state.sources[0]!)).toMatchObject([
      { chunk: 1, positions: 4 },
      { chunk: 2, positions: 8 },
      { cursor: { position: 1 }, positions: 11 },
      { cursor: { position: 1 }, chunk: 1, positions: 15 },
    ])
  })

  it('refuses to cut a document with images', async () => {
    const stream = openStream(alone(sourceOf([[text('red'), grey(1)]])), { ...options, longest: 8 })
    await expect(stream.next()).rejects.toThrow(
      'document 0: takes 9 positions, but 8 are the most that fit, and only texts without images are cut',
    )
  })

  it.each([
    ['what its source cannot read', [new Error('a.png: is gone')], 'a.png: is gone'],
    [
      'an image that cannot be decoded',
      [image({ bytes: new Uint8Array(9) })],
      'document 0: 9 bytes: cannot be',
    ],
    [
      'an image file that is missing',
      [image({ path: '/none.png' })],
      '/none.png: cannot be read as an image',
    ],
    ['a text without tokens', [[text(' ')]], 'document 0: a text of it has no tokens: " "'],
    ["an image's marker in a text", [[text('<|boi|>')]], 'document 0: encode: text must not spell <|boi|>'],
  ])('stops at %s, and says so again', async (_, documents, message) => {
    const stream = openStream(alone(sourceOf(documents)), options)
    await expect(stream.next()).rejects.toThrow(message)
    await expect(stream.next()).rejects.toThrow(message)
    await stream.close()
  })

  it('leaves out and counts what cannot be read where it may', async () => {
    const skipped: string[] = []
    const source = sourceOf([[text('red')], new Error('b: is broken'), image({ bytes: new Uint8Array(3) })])
    const stream = openStream(alone(source), {
      ...options,
      onUnreadable: 'skip',
      onSkip: ({ name, error }) => skipped.push(`${name}, ${error.message}`),
    })
    const taken = await take(stream, 3)
    expect(new Set(taken.map(({ document }) => document))).toEqual(new Set(['document 0: red']))
    expect(taken.at(-1)!.state.sources[0]!.skipped).toBe(skipped.length)
    expect(skipped).toContain('document 1, b: is broken')
    expect(skipped.some((message) => message.startsWith('document 2, document 2: 3 bytes: cannot be'))).toBe(
      true,
    )
  })

  it('stops at what is known to be unreadable before it begins, or leaves it out and counts it', async () => {
    const unreadable = [{ name: 'b', error: new Error('b: its caption is missing') }]
    const source = { ...sourceOf([[text('red')]]), unreadable }
    expect(() => openStream(alone(source), options)).toThrow('b: its caption is missing')
    const skipped: string[] = []
    const settings = {
      ...options,
      onUnreadable: 'skip',
      onSkip: ({ name }: { name: string }) => skipped.push(name),
    } as const
    const [{ state }] = (await take(openStream(alone(source), settings), 1)) as [Taken]
    expect(skipped).toEqual(['b'])
    expect(state.sources[0]!.skipped).toBe(1)
    const [after] = await take(openStream(alone(source), { ...settings, state }), 1)
    expect(after!.state.sources[0]!.skipped).toBe(1)
  })

  it('tells why a document is left out', async () => {
    const document = { name: 'a', error: new Error('a: has no image'), reason: 'imageless' } as const
    const source: DocumentSource = {
      async *read() {
        yield { document, next: { position: 1 } }
        for (;;) yield { document: { name: 'b', parts: [text('red')] }, next: { position: 2 } }
      },
      async *once() {},
    }
    const skipped: UnreadableDocument[] = []
    const onSkip = (each: UnreadableDocument) => skipped.push(each)
    const stream = openStream(alone(source), { ...options, onUnreadable: 'skip', onSkip })
    await take(stream, 1)
    expect(skipped).toEqual([document])
  })

  it('gives up where nothing can be read', async () => {
    const stream = openStream(alone(sourceOf([new Error('b: is broken')])), {
      ...options,
      onUnreadable: 'skip',
    })
    await expect(stream.next()).rejects.toThrow(
      '100 documents in a row could not be read; the last: b: is broken',
    )
  })

  it('rejects what waits when it is closed, and what comes after', async () => {
    const stream = openStream(alone(varied(9, 1)), options)
    const waiting = stream.next().catch((error: Error) => error.message)
    await stream.close()
    expect(await waiting).toBe('the stream of documents was closed')
    await expect(stream.next()).rejects.toThrow('was closed')
  })

  it('closes what its sources hold open', async () => {
    let open = 0
    const source = varied(3, 1)
    const stream = openStream(
      alone({
        ...source,
        async *read(seed, cursor) {
          open++
          try {
            yield* source.read(seed, cursor)
          } finally {
            open--
          }
        },
      }),
      { ...options, onUnreadable: 'skip' },
    )
    await stream.next()
    expect(open).toBe(1)
    await stream.close()
    expect(open).toBe(0)
  })

  it('refuses the state of other data, no sources and no weight', () => {
    const state: StreamState = { sources: [] }
    expect(() => openStream(alone(varied(3, 1)), { ...options, state })).toThrow(
      'openStream: state must be of 1 sources, as many as there are, received one of 0: the data was changed since',
    )
    expect(() => openStream([], options)).toThrow(
      'openStream: sources must have a source or more, received none',
    )
    expect(() => openStream([{ source: varied(3, 1), weight: 0 }], options)).toThrow('received 0')
  })
})

it('gives the texts of a source in stored order, without what cannot be read', async () => {
  const source = sourceOf([[text('red'), grey(1), text('a')], new Error('broken'), [text('blue')]])
  expect(await collect(textsOf(source))).toEqual(['red', 'a', 'blue'])
})

function image(source: { bytes: Uint8Array } | { path: string }) {
  return [text('red'), { type: 'image', ...source } as const]
}
