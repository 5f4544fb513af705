import { checkArguments, checkOptions } from '../../../arguments.js'
import { parseJson } from '../../../files/json_file.js'
import { LeftOut } from '../../left_out.js'
import { checkFileType, endingsOf, typeOfFile } from '../files/data_types.js'
import type { DocumentSource } from '../document_source.js'
import { listFiles } from '../files/file_list.js'
import { documentOf } from './json_document.js'
import { RecordFiles } from '../records/record_files.js'
import { recordSource } from '../records/record_source.js'

/** Where documents in JSON Lines lie. */
export interface JsonlOptions {
  /** Files, folders of `.jsonl` files, or patterns: `*`, `?`, `**`, `{000..127}`, `{a,b}`. */
  readonly path: string | readonly string[]
  /** The key of a document's text. Default 'text'. */
  readonly field?: string | undefined
}

/**
 * Files with one document on each line, text and images in any order, as below, shuffled in
 * each epoch. Lines are found once and read from disk when their turn comes, so files may be larger than memory. Lines
 * are those of JSON Lines: UTF-8, ended by a line feed; empty ones are left out. Files that are gzipped, or UTF-16 with a
 * byte order mark, are held in memory, 1 GiB of them together.
 *
 *     {"parts": ["some text", {"image": "pictures/a.png"}, "more text"]}
 *     {"image": "a.png", "caption": "a cat"}
 *     {"images": ["a.png", "b.png"], "text": "<image> and <image>"}
 *     {"images": ["a.png"], "messages": [{"role": "user", "content": "<image> What is this?"}, ...]}
 *     {"text": "some text"}
 *
 * Hugging Face's `metadata.jsonl` (`file_name`) and LLaVA's `conversations` are read too. Images are files, relative to
 * the file of the line, or base64 as `data:image/png;base64,...`.
 */
export async function openJsonlSource(options: JsonlOptions): Promise<DocumentSource> {
  checkArguments('openJsonlSource', { options: [options, 'object'] })
  checkOptions('openJsonlSource', options, { path: true, field: true })
  const { path, field } = options
  const leftOut = new LeftOut()
  const paths = await listFiles(path, endingsOf('jsonl'), {
    type: 'jsonl',
    leftOut,
    isExpected: (name) => typeOfFile(name) === 'folder',
  })
  for (const file of paths) checkFileType(file, 'jsonl')
  const files = await RecordFiles.open(paths, { separator: '\n', check: checkJsonLines }, leftOut)
  return recordSource(files, leftOut, {
    name: ({ path: file, number }) => `${file}:${number + 1}`,
    parts: (record, name, file) => documentOf(parseJson(record.trimEnd(), name), name, file, field),
  })
}

/** Throws an Error where a file that begins so is not JSON Lines, but what its lines would not be understood as. */
function checkJsonLines(head: Buffer, path: string): void {
  const text = head
    .toString()
    .replace(/^\ufeff/, '')
    .trim()
  if (/\.[ct]sv$/i.test(path)) {
    throw new Error(
      `${path}: is a table, which is not read: convert it to JSON Lines, with ` +
        `"python3 -c \\"import pandas, sys; pandas.read_csv(sys.argv[1]).to_json('metadata.jsonl', orient='records', lines=True)\\" FILE"`,
    )
  }
  const line = text.split('\n', 1)[0]!.trim()
  const onlyLine = line.length === text.length
  if (line === '{' || (line.startsWith('[') && (onlyLine || !isJson(line)))) {
    throw new Error(
      `${path}: is one JSON ${line === '{' ? 'object' : 'array'}, not JSON Lines: expected one object on each line; ` +
        `"jq -c '${line === '{' ? '.' : '.[]'}' FILE > FILE.jsonl" converts it`,
    )
  }
}

function isJson(line: string): boolean {
  try {
    parseJson(line, '')
    return true
  } catch {
    return false
  }
}
