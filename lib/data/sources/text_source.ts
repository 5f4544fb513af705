import { checkArguments, checkOptions } from '../../arguments.js'
import { LeftOut } from '../left_out.js'
import { withLineFeeds } from '../../files/text_file.js'
import { checkFileType, endingsOf } from './files/data_types.js'
import type { DocumentSource } from './document_source.js'
import { listFiles } from './files/file_list.js'
import { RecordFiles } from './records/record_files.js'
import type { RecordFormat } from './records/record_index.js'
import { recordSource } from './records/record_source.js'

/** Where plain text lies. */
export interface TextOptions {
  /** Files, folders of `.txt` files, or patterns: `*`, `?`, `**`, `{000..127}`, `{a,b}`. */
  readonly path: string | readonly string[]
  /** What stands between two documents of a file, such as a blank line; without it, a file is one document. */
  readonly separator?: string | undefined
}

/** Long texts are read in parts of at most so many bytes, so that files may be larger than memory (our choice). */
const longestText = 2 ** 16

/**
 * Plain text in UTF-8 or, with a byte order mark, UTF-16, gzipped or not, shuffled in each epoch. White space around a
 * document is dropped, and documents without anything else are left out. Lines that end with CR LF are given with LF, in
 * the separator too. A text of more than 64 KiB counts as several documents, cut at the end of a line where there is one.
 */
export async function openTextSource(options: TextOptions): Promise<DocumentSource> {
  checkArguments('openTextSource', { options: [options, 'object'] })
  checkOptions('openTextSource', options, { path: true, separator: true })
  const { path, separator } = options
  const leftOut = new LeftOut()
  const paths = await listFiles(path, endingsOf('text'), { type: 'text', leftOut })
  for (const file of paths) checkFileType(file, 'text')
  const lines = separator === undefined ? undefined : withLineFeeds(separator)
  const format: RecordFormat = {
    longest: longestText,
    ...(lines !== undefined && {
      separator: (head) => (head.includes('\r\n') ? lines.replaceAll('\n', '\r\n') : lines),
    }),
  }
  const files = await RecordFiles.open(paths, format, leftOut)
  return recordSource(files, leftOut, {
    name: ({ path: file, number }) => (lines === undefined ? file : `${file}: text ${number + 1}`),
    parts(record) {
      const read = withLineFeeds(record)
      const text = lines === undefined ? read : read.split(lines, 1)[0]!
      return [{ type: 'text', text: text.trim() }]
    },
  })
}
