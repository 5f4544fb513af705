import { sampleIndex } from '../sample_order.js'
import type {
  DocumentSource,
  RawDocument,
  RawPart,
  SourceCursor,
  SourceItem,
  UnreadableDocument,
} from './document_source.js'

/** Documents that can be had by number, in any order. */
export interface DocumentCollection {
  readonly length: number
  /** Begins reading. What it holds open, `close` closes. */
  open(): DocumentReader
}

export interface DocumentReader {
  /** What document `index` is called in messages. */
  name(index: number): string
  /** Throws an Error that names the file where the document cannot be read. */
  parts(index: number): readonly RawPart[] | Promise<readonly RawPart[]>
  close?(): Promise<void>
}

/**
 * A source of documents that can be had by number: each epoch visits every one once, shuffled by `sampleIndex`.
 * The cursor is `{ position }`, the documents read so far.
 */
export function indexedSource(collection: DocumentCollection): DocumentSource {
  const { length } = collection
  return {
    async *read(seed: number, cursor?: SourceCursor): AsyncGenerator<SourceItem, void, undefined> {
      const reader = collection.open()
      try {
        for (let position = positionOf(cursor); ; position++) {
          const document = await readDocument(reader, sampleIndex(position, length, seed))
          yield { document, next: { position: position + 1 } }
        }
      } finally {
        await reader.close?.()
      }
    },
    async *once() {
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

function positionOf({ position }: SourceCursor = { position: 0 }): number {
  if (!Number.isSafeInteger(position) || position! < 0)
    throw new RangeError(`[read] a cursor's position must be an integer from 0; received ${position}`)
  return position!
}
