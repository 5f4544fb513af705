import { describe, expect, it } from 'vitest'
import { decodeMetadata } from '../../lib/sequence/decode_metadata.js'
import { documentSpans, unconditionalPrefix, type Part } from '../../lib/sequence/document.js'
import { advance, sequenceStart, type Cursor } from '../../lib/sequence/metadata.js'
import { packDocuments } from './pack_documents.js'
import { patch, randomDocuments, tokens } from './random_documents.js'

const text = (...ids: number[]): Part => ({ type: 'text', ids })
const image: Part = { type: 'image', height: 4, width: 4 }

describe('decodeMetadata', () => {
  it.each([false, true])(
    'extends a sequence span by span as packing lays it out whole (%s)',
    (causalImages) => {
      const images = { patch, causalImages }
      for (let seed = 0; seed < 20; seed++) {
        const [document] = randomDocuments(seed, 1)
        const whole = packDocuments([document!], { ...images, tokens })
        const keyRows = Int32Array.of(10, 500)
        let start: Cursor = sequenceStart
        for (const span of documentSpans(document!, tokens)) {
          const call = decodeMetadata([{ start, spans: [span] }], keyRows, images)
          const end = call.ends[0]!
          expect(call.ids).toEqual(whole.ids.slice(start.length, end.length))
          expect(call.keyStart).toEqual(whole.keyStart.slice(start.length, end.length))
          expect(call.keyEnd).toEqual(whole.keyEnd.slice(start.length, end.length))
          expect(call.positions).toEqual(whole.positions.slice(start.length * 3, end.length * 3))
          expect(Array.from(call.slots)).toEqual(Array.from(call.ids, (_, i) => 10 + start.length + i))
          start = end
        }
        expect(start.length).toBe(whole.ids.length)
      }
    },
  )

  it("runs a token of one generation and both guidance branches of another's image as one call", () => {
    const prompt = advance(sequenceStart, [text(1, 5, 6, 7, tokens.boi)], patch)
    const prefix = advance(sequenceStart, [unconditionalPrefix(tokens)], patch)
    const writing = { length: 30, position: 12 }
    const call = decodeMetadata(
      [
        { start: writing, spans: [text(9)] },
        { start: prompt, spans: [image] },
        { start: { length: 3, position: 3 }, spans: [] },
        { start: prefix, spans: [image] },
      ],
      Int32Array.of(0, 40, 60, 70, 80),
      { patch },
    )
    expect(Array.from(call.queryRows)).toEqual([0, 1, 5, 5, 9])
    expect(Array.from(call.ids)).toEqual([9, -1, -1, -1, -1, -1, -1, -1, -1])
    expect(Array.from(call.keyStart)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0])
    expect(Array.from(call.keyEnd)).toEqual([31, 9, 9, 9, 9, 6, 6, 6, 6])
    expect(Array.from(call.slots)).toEqual([30, 45, 46, 47, 48, 72, 73, 74, 75])
    expect(Array.from(call.positions.slice(0, 6))).toEqual([12, 12, 12, 5, 5, 5])
    expect(Array.from(call.positions.slice(12, 18))).toEqual([5, 6, 6, 2, 2, 2])
    expect(Array.from(call.lastRows)).toEqual([0, 4, -1, 8])
    expect(Array.from(call.patchRows)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(Array.from(call.patchImage)).toEqual([0, 0, 0, 0, 1, 1, 1, 1])
    expect(Array.from(call.imageRows)).toEqual([0, 16, 32])
    expect(call.ends).toEqual([
      { length: 31, position: 13 },
      { length: 9, position: 7 },
      { length: 3, position: 3 },
      { length: 6, position: 4 },
    ])
  })

  it('commits a clean image over the keys of the noisy one', () => {
    const start = advance(sequenceStart, [text(1, 5, tokens.boi)], patch)
    const keyRows = Int32Array.of(0, 8)
    const noisy = decodeMetadata([{ start, spans: [image] }], keyRows, { patch })
    const clean = decodeMetadata([{ start, spans: [image, text(tokens.eoi)] }], keyRows, { patch })
    expect(clean.slots.slice(0, 4)).toEqual(noisy.slots)
    expect(clean.keyEnd.slice(0, 4)).toEqual(noisy.keyEnd)
    expect(clean.positions.slice(0, 12)).toEqual(noisy.positions)
    expect(clean.ends[0]).toEqual({ length: 8, position: 6 })
  })

  it('refuses a sequence that outgrows its slots, and slots for another number of sequences', () => {
    const full = { start: { length: 8, position: 8 }, spans: [text(5)] }
    expect(() => decodeMetadata([full], Int32Array.of(0, 8), { patch })).toThrow(
      'sequence 0 needs 9 cache slots, has 8',
    )
    expect(() => decodeMetadata([full], Int32Array.of(0, 8, 16), { patch })).toThrow(
      'decodeMetadata: keyRows must be 2, one more than sequences, received 3',
    )
  })
})
