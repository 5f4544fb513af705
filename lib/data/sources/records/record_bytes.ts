import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { hintOf } from '../files/data_types.js'
import { isGzipped, otherFormat } from '../../../files/file_formats.js'
import { encodingOf, refuseZeros } from '../../../files/text_file.js'

/** Bytes of UTF-8 that are read at any place, as of an open file. */
export interface RecordBytes {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  close(): Promise<void>
}

/** A text file that was opened. */
export interface OpenedText {
  readonly bytes: RecordBytes
  /** The first of them. */
  readonly head: Buffer
  /** Whether the file is not read further. */
  readonly inMemory: boolean
}

/** So many bytes of a source's files are unpacked, or brought to UTF-8, in memory (our choice). */
const mostInMemory = 2 ** 30
const headSize = 2 ** 16
const chunkSize = 2 ** 20

/** Opens text files: what is gzipped, or UTF-16, is held in memory as UTF-8, anything else is read from disk. */
export class TextFiles {
  readonly #most: number
  #inMemory = 0

  /** `most`: bytes that are held in memory, of all files together. */
  constructor(most = mostInMemory) {
    this.#most = most
  }

  /** Rejects with an Error that begins with the path where the file cannot be read, or is not text. */
  async open(path: string): Promise<OpenedText> {
    let file: FileHandle | undefined
    let opened: OpenedText | undefined
    try {
      file = await open(path)
      opened = await this.#decode(path, file)
      const other = otherFormat(opened.head)
      if (other !== undefined) throw new Error(`it ${other}`)
      refuseZeros(opened.head, 'its start')
      return opened
    } catch (error) {
      opened = undefined
      const { code, message } = error as NodeJS.ErrnoException
      throw new Error(`${path}: cannot be read (${message}${code === 'ENOENT' ? hintOf(path) : ''})`, {
        cause: error,
      })
    } finally {
      if (opened?.bytes !== file) await file?.close()
    }
  }

  async #decode(path: string, file: FileHandle): Promise<OpenedText> {
    let bytes: RecordBytes = file
    let head = await headOf(file)
    if (isGzipped(head)) {
      const unzipped = createGunzip()
      // What goes wrong arrives through what is unzipped.
      pipeline(createReadStream(path), unzipped, () => {})
      bytes = await this.#hold(unzipped)
      head = await headOf(bytes)
    }
    const encoding = encodingOf(head)
    if (encoding !== 'utf-8') {
      bytes = await this.#hold(toUtf8(bytes, encoding))
      head = await headOf(bytes)
    }
    return { bytes, head, inMemory: bytes !== file }
  }

  async #hold(chunks: AsyncIterable<Buffer>): Promise<RecordBytes> {
    const held: Buffer[] = []
    for await (const chunk of chunks) {
      held.push(chunk)
      this.#inMemory += chunk.length
      if (this.#inMemory > this.#most) {
        throw new Error(
          `files that are gzipped or UTF-16 are held in memory, at most ${this.#most} bytes together: ` +
            'unpack them ("gunzip -k FILE") or convert them to UTF-8 ("iconv -f UTF-16 -t UTF-8")',
        )
      }
    }
    return new MemoryBytes(Buffer.concat(held))
  }
}

class MemoryBytes implements RecordBytes {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  async read(buffer: Buffer, offset: number, length: number, position: number) {
    return { bytesRead: this.#bytes.copy(buffer, offset, position, position + length) }
  }

  async close() {}
}

async function headOf(bytes: RecordBytes): Promise<Buffer> {
  const head = Buffer.alloc(headSize)
  const { bytesRead } = await bytes.read(head, 0, headSize, 0)
  return head.subarray(0, bytesRead)
}

async function* toUtf8(bytes: RecordBytes, encoding: string): AsyncGenerator<Buffer, void, undefined> {
  const decoder = new TextDecoder(encoding, { fatal: true })
  const chunk = Buffer.alloc(chunkSize)
  try {
    for (let position = 0; ;) {
      const { bytesRead } = await bytes.read(chunk, 0, chunkSize, position)
      position += bytesRead
      yield Buffer.from(decoder.decode(chunk.subarray(0, bytesRead), { stream: bytesRead > 0 }))
      if (bytesRead === 0) return
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new Error(`its text is not ${encoding.toUpperCase()}, as its byte order mark says`, {
      cause: error,
    })
  }
}
