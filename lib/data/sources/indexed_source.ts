import { checkArguments } from '../../arguments.js'
import type { LeftOut } from '../left_out.js'
import { sampleIndex } from '../sample_order.js'
import {
  cursorNumber,
  type DocumentSource,
  type SourceCursor,
  type SourceItem,
  type UnreadableDocument,
} from './document_source.js'
import type { RawDocument, RawPart } from '../document.js'

/** Documents that can be had by number, in any order. */
export interface DocumentCollection {
  /** Number of documents. */
  readonly length: number
  /** Those of the data that are known to be unreadable; they have no number. */
  readonly unreadable?: readonly UnreadableDocument[]
  /** What is not read besides. */
  readonly leftOut?: LeftOut
  /** Begins reading. What it holds open, `close` closes. */
  open(): DocumentReader
}

/** Reads the documents of a collection by number. */
export interface DocumentReader {
  /** What document `index` is called in messages. */
  name(index: number): string
  /** Throws an Error that names the file where the document cannot be read. */
  parts(index: number): readonly RawPart[] | Promise<readonly RawPart[]>
  /** Closes what reading holds open. */
  close?(): Promise<void>
}

/**
 * A source of documents that can be had by number: each epoch visits every one once, shuffled by `sampleIndex`.
 * The cursor is `{ position }`, the documents read so far.
 */
export function indexedSource(collection: DocumentCollection): DocumentSource {
  checkArguments('indexedSource', { collection: [collection, 'object'] })
  const { length, unreadable = [], leftOut } = collection
  return {
    length,
    unreadable,
    ...(leftOut && { leftOut }),
    async *read(seed: number, cursor?: SourceCursor): AsyncGenerator<SourceItem, void, undefined> {
      const reader = collection.open()
      try {
        for (let position = cursor ? cursorNumber(cursor, 'position') : 0; ; position++) {
          const document = await readDocument(reader, sampleIndex(position, length, seed))
          yield { document, next: { position: position + 1 } }
        }
      } finally {
        await reader.close?.()
      }
    },
    async *once() {
      yield* unreadable
      const reader = collection.open()
      try {
        for (let index = 0; index < length; index++) yield await readDocument(reader, index)
      } finally {
        await reader.close?.()
      }
    },
  }
}

async function readDocument(
  reader: DocumentReader,
  index: number,
): Promise<RawDocument | UnreadableDocument> {
  const name = reader.name(index)
  try {
    return { name, parts: await reader.parts(index) }
  } catch (error) {
    return { name, error: error as Error }
  }
}
