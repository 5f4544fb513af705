/** Random documents, and what stands at each position of their sequence, found the slow way. */
import type { DocumentParts, Part, SpecialTokens } from '../../lib/sequence/document.js'
import { randomUniform } from '../../lib/random.js'

export const tokens: SpecialTokens = { bos: 1, end: 2, boi: 100, eoi: 101 }
export const patch = 2

export interface Place {
  document: number
  /** Token id, -1 at a patch. */
  id: number
  /** The image in the whole sequence, -1 at a token. */
  image: number
  position: [number, number, number]
}

/** Documents of 0 to 5 parts; images of 1 to 4 patches a side, often side by side. */
export function randomDocuments(seed: number, count: number): DocumentParts[] {
  let draws = 0
  const integer = (low: number, high: number) =>
    low + Math.floor(randomUniform(seed, 'shuffle', 0, draws++) * (high - low + 1))
  const part = (): Part =>
    integer(0, 1)
      ? { type: 'image', height: patch * integer(1, 4), width: patch * integer(1, 4) }
      : { type: 'text', ids: Array.from({ length: integer(0, 5) }, () => integer(3, 99)) }
  return Array.from({ length: count }, () => ({ parts: Array.from({ length: integer(0, 5) }, part) }))
}

export function placesOf(documents: readonly DocumentParts[]): Place[] {
  const places: Place[] = []
  let image = -1
  documents.forEach((document, d) => {
    let next = 0
    const token = (id: number) => places.push({ document: d, id, image: -1, position: [next, next, next++] })
    token(tokens.bos!)
    for (const part of document.parts) {
      if (part.type === 'text') {
        part.ids.forEach(token)
        continue
      }
      token(tokens.boi)
      image++
      const start = next
      for (let row = 0; row < part.height / patch; row++) {
        for (let column = 0; column < part.width / patch; column++) {
          const position: Place['position'] = [start, start + row, start + column]
          places.push({ document: d, id: -1, image, position })
          next = Math.max(next, ...position.map((p) => p + 1))
        }
      }
      token(tokens.eoi)
    }
    token(tokens.end)
  })
  return places
}

/** Whether q sees k. */
export function sees(places: readonly Place[], q: number, k: number): boolean {
  const [a, b] = [places[q]!, places[k]!]
  return a.document === b.document && (k <= q || (a.image >= 0 && a.image === b.image))
}
