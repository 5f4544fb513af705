import { describe, expect, it } from 'vitest'
import { dropCondition, unconditionalPrefix, type DocumentParts } from '../../lib/sequence/document.js'
import { trainingSequence } from '../../lib/sequence/training_sequence.js'
import { packDocuments } from './pack_documents.js'
import { patch, placesOf, randomDocuments, sees, tokens } from './random_documents.js'

const options = { patch, tokens }
const image = (height: number, width: number, limitNoise?: boolean) =>
  ({ type: 'image', height, width, ...(limitNoise === undefined ? {} : { limitNoise }) }) as const
const text = (...ids: number[]) => ({ type: 'text', ids }) as const
const limited = (...parts: DocumentParts['parts']) =>
  Array.from(packDocuments([{ parts }], options).limitNoise)

describe('packDocuments', () => {
  it('lets a patch see those before it alone where images are causal', () => {
    const documents = randomDocuments(3, 5)
    const batch = packDocuments(documents, { ...options, causalImages: true })
    const usual = packDocuments(documents, options)
    expect(batch.keyEnd).toEqual(batch.keyEnd.map((_, q) => q + 1))
    expect({ ...batch, keyEnd: usual.keyEnd }).toEqual(usual)
  })

  it('lays out a document with two images side by side', () => {
    const batch = packDocuments([{ parts: [text(7, 8), image(4, 6), image(2, 2), text(9)] }], options)
    //       BOS 7 8 BOI 2x3 patches          EOI BOI patch EOI 9 end
    const ids = [1, 7, 8, 100, -1, -1, -1, -1, -1, -1, 101, 100, -1, 101, 9, 2]
    expect(batch).toEqual({
      ids: Int32Array.from(ids),
      keyStart: new Int32Array(16),
      keyEnd: Int32Array.of(1, 2, 3, 4, 10, 10, 10, 10, 10, 10, 11, 12, 13, 14, 15, 16),
      positions: Float32Array.from(
        [
          [0, 1, 2, 3].map((p) => [p, p, p]),
          [0, 1].map((row) => [0, 1, 2].map((column) => [4, 4 + row, 4 + column])),
          [7, 8, 9, 10, 11, 12].map((p) => [p, p, p]),
        ].flat(3),
      ),
      patchRows: Int32Array.of(4, 5, 6, 7, 8, 9, 12),
      patchImage: Int32Array.of(0, 0, 0, 0, 0, 0, 1),
      patchPositions: Float32Array.of(0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 1, 2, 0, 0),
      imageSizes: Int32Array.of(4, 6, 2, 2),
      imageRows: Int32Array.of(0, 24, 28),
      queryRows: Int32Array.of(0, 16),
      keyRows: Int32Array.of(0, 16),
      labels: Int32Array.of(7, 8, 100, -1, -1, -1, -1, -1, -1, -1, 100, -1, -1, 9, 2, -1),
      labelWeights: null,
      targets: 6,
      sequenceOfImage: Int32Array.of(0, 0),
      limitNoise: Uint8Array.of(0, 0),
      images: [image(4, 6), image(2, 2)],
    })
  })

  it('agrees with brute force over random documents', () => {
    let images = 0
    for (let seed = 0; seed < 40; seed++) {
      const documents = randomDocuments(seed, seed % 5)
      const places = placesOf(documents)
      const batch = packDocuments(documents, options)
      expect(Array.from(batch.ids)).toEqual(places.map((place) => place.id))
      expect(Array.from(batch.positions)).toEqual(places.flatMap((place) => place.position))
      expect(Array.from(batch.queryRows)).toEqual([0, places.length])

      places.forEach((place, q) => {
        const keys = places.map((_, k) => k)
        const [start, end] = [batch.keyStart[q]!, batch.keyEnd[q]!]
        expect(keys.slice(start, end), `seed ${seed}, query ${q}`).toEqual(
          keys.filter((k) => sees(places, q, k)),
        )
        const next = places[q + 1]
        const learns = next?.document === place.document && place.id >= 0 && place.id !== tokens.boi
        expect(batch.labels[q]).toBe(learns ? next.id : -1)
      })
      expect(batch.labels).not.toContain(tokens.eoi)
      expect(batch.targets).toBe(batch.labels.filter((label) => label >= 0).length)

      const patches = places.flatMap((place, row) => (place.image >= 0 ? [{ ...place, row }] : []))
      expect(Array.from(batch.patchRows)).toEqual(patches.map((place) => place.row))
      expect(Array.from(batch.patchImage)).toEqual(patches.map((place) => place.image))
      expect(Array.from(batch.patchPositions)).toEqual(
        patches.flatMap(({ position: [p, row, column] }) => [row - p, column - p]),
      )
      batch.images.forEach(({ height, width }, i) => {
        expect(Array.from(batch.imageSizes.slice(2 * i, 2 * i + 2))).toEqual([height, width])
        expect(batch.imageRows[i + 1]! - batch.imageRows[i]!).toBe(height * width)
        expect(batch.sequenceOfImage[i]).toBe(patches.find((place) => place.image === i)!.document)
        images++
      })
      expect(documents.reduce((sum, document) => sum + trainingSequence(document, options).length, 0)).toBe(
        places.length,
      )
    }
    expect(images).toBeGreaterThan(50)
  })

  it('never lets the intervals decrease, nor be empty', () => {
    const { keyStart, keyEnd } = packDocuments(randomDocuments(99, 20), options)
    keyStart.forEach((start, q) => {
      expect(start).toBeLessThan(keyEnd[q]!)
      expect(start).toBeGreaterThanOrEqual(keyStart[Math.max(q - 1, 0)]!)
      expect(keyEnd[q]!).toBeGreaterThanOrEqual(keyEnd[Math.max(q - 1, 0)]!)
    })
  })

  it('gives a document the same layout wherever it stands', () => {
    const [before, document] = randomDocuments(5, 2) as [DocumentParts, DocumentParts]
    const alone = packDocuments([document], options)
    const second = packDocuments([before, document], options)
    const offset = trainingSequence(before, options).length
    expect(second.keyEnd.slice(offset)).toEqual(alone.keyEnd.map((end) => end + offset))
    expect(second.positions.slice(3 * offset)).toEqual(alone.positions)
    expect(second.labels.slice(offset)).toEqual(alone.labels)
  })

  it('limits the noise of images that no text precedes, unless the document says otherwise', () => {
    expect(limited(image(2, 2), text(5), image(2, 2))).toEqual([1, 0])
    expect(limited(text(5), image(2, 2))).toEqual([0])
    expect(limited(image(2, 2), image(2, 2), text(5))).toEqual([1, 1])
    expect(limited(text(), image(2, 2))).toEqual([1])
    expect(limited(image(2, 2, false), text(5), image(2, 2, true))).toEqual([0, 1])
  })

  it('weighs labels by the text that they are in, and drops those of weight 0', () => {
    const document = { parts: [{ ...text(5, 6), weight: 0 }, image(2, 2), { ...text(7), weight: 0.5 }] }
    const batch = packDocuments([document], options)
    // BOS 5 6 BOI patch EOI 7 end
    expect(Array.from(batch.labels)).toEqual([-1, -1, 100, -1, -1, 7, 2, -1])
    expect(Array.from(batch.labelWeights!)).toEqual([1, 1, 1, 1, 1, 0.5, 1, 1])
    expect(batch.targets).toBe(2.5)
  })

  it('begins documents with their first part where there is no BOS, and leaves prompts open', () => {
    const bare = { patch, tokens: { end: 2, boi: 100, eoi: 101 } }
    expect(Array.from(packDocuments([{ parts: [text(5), image(2, 2)], end: false }], bare).ids)).toEqual([
      5, 100, -1, 101,
    ])
    expect(packDocuments([], options).ids).toHaveLength(0)
  })

  it('hands back image parts with what they carry', () => {
    const photo = { ...image(2, 2), file: 'photo.png' }
    expect(packDocuments([{ parts: [photo] }], options).images[0]!.file).toBe('photo.png')
  })

  it.each<[string, DocumentParts['parts'], string]>([
    ['an image that patches do not cover', [image(4, 3)], 'image of 4 x 3 pixels'],
    ['an image without pixels', [image(0, 2)], 'image of 0 x 2 pixels'],
    ['BOI in text', [text(5, 100)], 'token 100 (BOI)'],
    ['EOI in text', [text(101)], 'token 101 (EOI)'],
    ['a negative id', [text(-1)], '-1 is not a token id'],
    ['a fraction as id', [text(1.5)], '1.5 is not a token id'],
    ['a negative weight', [{ ...text(5), weight: -1 }], 'weight -1'],
  ])('refuses %s', (_, parts, message) => {
    expect(() => packDocuments([{ parts }], options)).toThrow(message)
  })
})

describe('dropCondition', () => {
  const document: DocumentParts = { parts: [text(5), image(2, 2), text(6), image(4, 4), text(7)] }

  it('leaves the image alone behind the unconditional prefix, at any noise, without LM targets', () => {
    const batch = packDocuments([dropCondition(document, 1)], options)
    const prefix = unconditionalPrefix(tokens).ids
    expect(prefix).toEqual([1, 100])
    expect(Array.from(batch.ids)).toEqual([...prefix, -1, -1, -1, -1, 101])
    expect(Array.from(batch.imageSizes)).toEqual([4, 4])
    expect(Array.from(batch.limitNoise)).toEqual([0])
    expect(batch.labels.every((label) => label === -1)).toBe(true)
    expect(batch.targets).toBe(0)
  })

  it('keeps the prefix without BOS where documents have none', () => {
    expect(unconditionalPrefix({ end: 2, boi: 100, eoi: 101 }).ids).toEqual([100])
  })

  it('refuses an image that the document does not have', () => {
    expect(() => dropCondition(document, 2)).toThrow('image 2 of a document with 2 images')
  })
})
