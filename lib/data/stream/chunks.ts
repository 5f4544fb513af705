import type { TokenizedDocument } from '../document.js'

/** Positions (tokens and patches, framing tokens included) that a document takes in a sequence. */
export type PositionsOf = (document: TokenizedDocument) => number

/** A document, or a chunk of a text that is cut, and the positions that it takes. */
export interface Chunk {
  readonly document: TokenizedDocument
  readonly positions: number
}

/**
 * A document that takes more than `longest` positions in consecutive chunks, each a document of its own; any other as one
 * chunk.
 * @throws RangeError where it holds images: those cannot be cut
 */
export function chunkDocument(
  document: TokenizedDocument,
  positionsOf: PositionsOf,
  longest: number,
): readonly Chunk[] {
  const positions = positionsOf(document)
  if (positions <= longest) return [{ document, positions }]
  const { name, parts } = document
  const texts = parts.flatMap((part) => (part.type === 'text' ? [part.ids] : []))
  if (texts.length < parts.length) {
    throw new RangeError(
      `${name}: takes ${positions} positions, but ${longest} are the most that fit, and only texts without images ` +
        'are cut: allow longer documents, make the images or their texts smaller, or leave it out',
    )
  }
  const room = longest - positionsOf({ name, parts: [] })
  if (room < 1) throw new RangeError(`${name}: not one token fits into ${longest} positions`)
  const total = texts.reduce((sum, ids) => sum + ids.length, 0)
  const ids = new Int32Array(total)
  texts.reduce((offset, part) => (ids.set(part, offset), offset + part.length), 0)
  return Array.from({ length: Math.ceil(total / room) }, (_, i) => {
    const chunk: TokenizedDocument = {
      name,
      parts: [{ type: 'text', ids: ids.subarray(i * room, (i + 1) * room) }],
    }
    return { document: chunk, positions: positionsOf(chunk) }
  })
}
