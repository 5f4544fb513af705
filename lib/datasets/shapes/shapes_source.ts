import type { RawDocument } from '../../data/document.js'
import {
  cursorNumber,
  type DocumentSource,
  type SourceCursor,
  type SourceItem,
} from '../../data/sources/document_source.js'
import { indexedSource } from '../../data/sources/indexed_source.js'
import { shapesDocument, type ShapesOptions } from './documents.js'

/** Documents that `once` gives of an endless source: a tokenizer learns every word from fewer. */
const documentsOnce = 4000

/**
 * Rendered shapes as documents. With `count` a data set of so many, shuffled in each epoch; without, documents 0, 1, 2 ... that
 * never repeat, whatever the seed that they are read with.
 */
export function shapesSource(options: ShapesOptions, count?: number): DocumentSource {
  if (count !== undefined)
    return indexedSource({
      length: count,
      open: () => ({
        name: (index) => `shapes ${index}`,
        parts: (index) => shapesDocument(options, index).parts,
      }),
    })
  return {
    async *read(_seed: number, cursor?: SourceCursor): AsyncGenerator<SourceItem, void, undefined> {
      for (let index = cursor ? cursorNumber(cursor, 'position') : 0; ; index++)
        yield { document: shapesDocument(options, index), next: { position: index + 1 } }
    },
    async *once(): AsyncGenerator<RawDocument, void, undefined> {
      for (let index = 0; index < documentsOnce; index++) yield shapesDocument(options, index)
    },
  }
}
