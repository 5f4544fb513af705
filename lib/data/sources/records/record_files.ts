import { type FileHandle, open } from 'node:fs/promises'
import type { LeftOut } from '../../left_out.js'
import { refuseZeros } from '../../../files/text_file.js'
import type { UnreadableDocument } from '../document_source.js'
import { type RecordBytes, TextFiles } from './record_bytes.js'
import { indexRecords, type RecordFormat, type RecordIndex } from './record_index.js'

/** A longer record is not read: it would be one document. */
const longestRecord = 2 ** 26

/** Files of records (lines, or texts between separators), together a list of records that are read from disk. */
export class RecordFiles {
  readonly length: number
  /** The files that could not be read at all. */
  readonly unreadable: readonly UnreadableDocument[]
  readonly #files: readonly IndexedFile[]

  /**
   * Finds the records. Files without any are counted in `leftOut`. Rejects with an Error that names the file that cannot
   * be read where there is no other, or says that there is no record in any.
   */
  static async open(paths: readonly string[], format: RecordFormat, leftOut?: LeftOut): Promise<RecordFiles> {
    const files: IndexedFile[] = []
    const unreadable: UnreadableDocument[] = []
    const texts = new TextFiles()
    let first = 0
    for (const path of paths) {
      try {
        const file = await indexFile(path, format, texts)
        files.push({ path, first, ...file })
        first += file.numbers.length
        if (file.numbers.length === 0) leftOut?.count('empty', path)
      } catch (error) {
        unreadable.push({ name: path, error: error as Error })
      }
    }
    if (first === 0 && unreadable.length > 0) throw unreadable[0]!.error
    if (first === 0) {
      const more = paths.length > 1 ? ` and ${paths.length - 1} more` : ''
      throw new Error(`${paths[0]}${more}: nothing but white space`)
    }
    return new RecordFiles(files, first, unreadable)
  }

  private constructor(
    files: readonly IndexedFile[],
    length: number,
    unreadable: readonly UnreadableDocument[],
  ) {
    this.#files = files
    this.length = length
    this.unreadable = unreadable
  }

  /** The file of record `index`, and the record's number in it, from 0. */
  place(index: number): { readonly path: string; readonly number: number } {
    const { path, first, numbers } = this.#fileOf(index)
    return { path, number: numbers[index - first]! }
  }

  /** Begins reading: one record after another. */
  reader(): RecordReader {
    return new RecordReader((index) => {
      const { path, memory, first, starts } = this.#fileOf(index)
      return { path, memory, start: starts[index - first]!, end: starts[index - first + 1]! }
    })
  }

  /** The last file that begins at or before the record; files without records are skipped by it. */
  #fileOf(index: number): IndexedFile {
    let low = 0
    let high = this.#files.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#files[middle]!.first <= index) low = middle
      else high = middle
    }
    return this.#files[low]!
  }
}

interface IndexedFile extends RecordIndex {
  readonly path: string
  /** Its bytes, where it is not read from disk. */
  readonly memory: RecordBytes | undefined
  /** Records in the files before it. */
  readonly first: number
}

async function indexFile(
  path: string,
  { separator, longest, check }: RecordFormat,
  texts: TextFiles,
): Promise<Omit<IndexedFile, 'path' | 'first'>> {
  const { bytes, head, inMemory } = await texts.open(path)
  try {
    check?.(head, path)
    const index = await indexRecords(bytes, {
      separator: typeof separator === 'function' ? separator(head) : separator,
      longest,
    })
    return { ...index, memory: inMemory ? bytes : undefined }
  } finally {
    await bytes.close()
  }
}

interface RecordSpan {
  readonly path: string
  readonly memory: RecordBytes | undefined
  readonly start: number
  readonly end: number
}

/** Files that are held open at a time. */
const mostOpen = 64

export class RecordReader {
  readonly #spanOf: (index: number) => RecordSpan
  readonly #open = new Map<string, FileHandle>()
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })

  constructor(spanOf: (index: number) => RecordSpan) {
    this.#spanOf = spanOf
  }

  /** A record's text, with the white space and separators up to the next one. Rejects with an Error that names the file. */
  async read(index: number): Promise<string> {
    const { path, memory, start, end } = this.#spanOf(index)
    const size = end - start
    if (size > longestRecord)
      throw new Error(`${path}: a document of ${size} bytes; at most ${longestRecord} are read`)
    const bytes = Buffer.allocUnsafe(size)
    let filled = 0
    try {
      const file = memory ?? (await this.#file(path))
      while (filled < size) {
        const { bytesRead } = await file.read(bytes, filled, size - filled, start + filled)
        if (bytesRead === 0) throw new Error('it has become shorter since it was opened')
        filled += bytesRead
      }
      const text = this.#decoder.decode(bytes)
      refuseZeros(text, 'the document')
      return text
    } catch (error) {
      const reason = error instanceof TypeError ? 'its text is not UTF-8' : (error as Error).message
      throw new Error(`${path}: cannot be read at byte ${start} (${reason})`, { cause: error })
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((file) => file.close()))
    this.#open.clear()
  }

  /** Opened files in the order of their use, the least recent first. */
  async #file(path: string): Promise<FileHandle> {
    let file = this.#open.get(path)
    this.#open.delete(path)
    if (!file) {
      const [oldest] = this.#open
      if (oldest && this.#open.size === mostOpen) {
        this.#open.delete(oldest[0])
        await oldest[1].close()
      }
      file = await open(path)
    }
    this.#open.set(path, file)
    return file
  }
}
