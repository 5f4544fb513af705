import type { LeftOut } from '../../left_out.js'
import type { RawPart } from '../../document.js'
import type { DocumentSource } from '../document_source.js'
import { indexedSource } from '../indexed_source.js'
import type { RecordFiles } from './record_files.js'

/** Where a record stands: its file, and its number in it, from 0. */
type Place = ReturnType<RecordFiles['place']>

/** How the records of files are documents. */
export interface RecordDocuments {
  /** What the document of a record is called in messages. */
  name(place: Place): string
  /** Throws an Error, which begins with the document's name, where the record is none. `path`: of its file. */
  parts(record: string, name: string, path: string): readonly RawPart[]
}

/** A source of the documents that records are, one each. */
export const recordSource = (
  files: RecordFiles,
  leftOut: LeftOut,
  { name, parts }: RecordDocuments,
): DocumentSource =>
  indexedSource({
    length: files.length,
    unreadable: files.unreadable,
    leftOut,
    open() {
      const reader = files.reader()
      return {
        name: (index) => name(files.place(index)),
        async parts(index) {
          const place = files.place(index)
          return parts(await reader.read(index), name(place), place.path)
        },
        close: () => reader.close(),
      }
    },
  })
