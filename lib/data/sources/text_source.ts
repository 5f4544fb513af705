import type { DocumentSource } from './document_source.js'
import { listFiles } from './file_list.js'
import { indexedSource } from './indexed_source.js'
import { RecordFiles } from './record_files.js'

/** Where plain text lies. */
export interface TextOptions {
  /** Files, folders of `.txt` files, or patterns with `*` in the last component. */
  readonly path: string | readonly string[]
  /** What stands between two documents of a file, such as a blank line; without it, a file is one document. */
  readonly separator?: string | undefined
}

/** Long texts are read in parts of at most so many bytes, so that files may be larger than memory (our choice). */
const LONGEST_TEXT = 2 ** 16

/**
 * Plain text in UTF-8, shuffled in each epoch. White space around a document is dropped, and documents without anything
 * else are left out. A text of more than 64 KiB counts as several documents, cut at the end of a line where there is one.
 */
export async function openTextSource({ path, separator }: TextOptions): Promise<DocumentSource> {
  const format = { longest: LONGEST_TEXT, ...(separator !== undefined && { separator }) }
  const files = await RecordFiles.open(await listFiles(path, ['.txt']), format)
  return indexedSource({
    length: files.length,
    open() {
      const reader = files.reader()
      return {
        name(index) {
          const { path: file, number } = files.place(index)
          return separator === undefined ? file : `${file}: text ${number + 1}`
        },
        async parts(index) {
          const record = await reader.read(index)
          const text = separator === undefined ? record : record.split(separator, 1)[0]!
          return [{ type: 'text', text: text.trim() }]
        },
        close: () => reader.close(),
      }
    },
  })
}
