import { parseJson } from '../json_file.js'
import type { DocumentSource } from './document_source.js'
import { listFiles } from './file_list.js'
import { indexedSource } from './indexed_source.js'
import { documentOf } from './json_document.js'
import { RecordFiles } from './record_files.js'

/** Where documents in JSON Lines lie. */
export interface JsonlOptions {
  /** Files, folders of `.jsonl` files, or patterns with `*` in the last component. */
  readonly path: string | readonly string[]
  /** The key of a document's text. Default 'text'. */
  readonly field?: string | undefined
}

/**
 * Files with one document on each line, text and images in any order, as below, shuffled in
 * each epoch. Lines are found once and read from disk when their turn comes, so files may be larger than memory. Lines
 * are those of JSON Lines: UTF-8, ended by a line feed; empty ones are left out.
 *
 *     {"parts": ["some text", {"image": "pictures/a.png"}, "more text"]}
 *     {"image": "a.png", "caption": "a cat"}
 *     {"text": "some text"}
 */
export async function openJsonlSource({ path, field }: JsonlOptions): Promise<DocumentSource> {
  const files = await RecordFiles.open(await listFiles(path, ['.jsonl', '.ndjson']), { separator: '\n' })
  return indexedSource({
    length: files.length,
    open() {
      const reader = files.reader()
      const name = (index: number) => `${files.place(index).path}:${files.place(index).number + 1}`
      return {
        name,
        async parts(index) {
          const line = parseJson((await reader.read(index)).trimEnd(), name(index))
          return documentOf(line, name(index), files.place(index).path, field)
        },
        close: () => reader.close(),
      }
    },
  })
}
