import type { RecordBytes } from './record_bytes.js'

/** Where the records of a file begin: 12 bytes for each. Records of nothing but white space are left out. */
export interface RecordIndex {
  /** Byte offset of each record, and where the last one ends. */
  readonly starts: Float64Array
  /** The number of each in the file, from 0, those left out counted; parts of one record share it. */
  readonly numbers: Uint32Array
}

/** How files are cut into records. */
export interface RecordFormat {
  /** Stands between two records; without it, a file is one. May depend on how a file begins. */
  readonly separator?: string | ((head: Buffer) => string)
  /** A longer record is cut, at the end of a line where there is one, else at white space. In bytes. */
  readonly longest?: number
  /** Throws an Error where a file that begins so is none of these. */
  readonly check?: (head: Buffer, path: string) => void
}

const chunkSize = 2 ** 20

/** Reads a file once, a megabyte at a time, to find its records. Rejects as `read` does. */
export async function indexRecords(
  file: RecordBytes,
  { separator, longest }: { separator?: string | undefined; longest?: number | undefined },
): Promise<RecordIndex> {
  const list = new RecordList()
  let last = 0
  for await (const records of findRecords(file, separator)) {
    for (const { start, end, number } of records) {
      list.push(start, number)
      last = end
      if (longest === undefined) continue
      let from = start
      while (end - from > longest) list.push((from = await findCut(file, from, from + longest)), number)
    }
  }
  return list.finish(last)
}

interface FoundRecord {
  readonly start: number
  readonly end: number
  readonly number: number
}

/** The records that end in each chunk of the file. */
async function* findRecords(
  file: RecordBytes,
  separator = '',
): AsyncGenerator<FoundRecord[], void, undefined> {
  const mark = Buffer.from(separator)
  const chunk = Buffer.allocUnsafe(chunkSize + mark.length)
  let offset = 0 // of the chunk in the file
  let kept = 0 // bytes of the chunk before it, which may begin a separator
  let start = 0
  let number = 0
  let blank = true
  for (;;) {
    const { bytesRead } = await file.read(chunk, kept, chunkSize, offset + kept)
    const bytes = chunk.subarray(0, kept + bytesRead)
    const found: FoundRecord[] = []
    let from = 0
    for (let at; mark.length > 0 && (at = bytes.indexOf(mark, from)) >= 0; from = at + mark.length) {
      if (!blank || !isBlank(bytes, from, at)) found.push({ start, end: offset + at, number })
      start = offset + at + mark.length
      number++
      blank = true
    }
    kept = bytesRead === 0 ? 0 : Math.min(Math.max(0, mark.length - 1), bytes.length - from)
    blank &&= isBlank(bytes, from, bytes.length - kept)
    bytes.copyWithin(0, bytes.length - kept)
    offset += bytes.length - kept
    if (bytesRead === 0 && !blank) found.push({ start, end: offset, number })
    yield found
    if (bytesRead === 0) return
  }
}

function isBlank(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    if (byte !== 0x20 && (byte < 0x09 || byte > 0x0d)) return false
  }
  return true
}

const newLine = 0x0a
const space = 0x20
/** How far before the limit a good place to cut is looked for. */
const cutWindow = 1024

/** A place to cut after `from` and at most at `limit`: after a line, else after a space, else before a character. */
async function findCut(file: RecordBytes, from: number, limit: number): Promise<number> {
  const start = Math.max(from + 1, limit - cutWindow)
  const buffer = Buffer.alloc(limit - start + 1)
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start)
  const before = buffer.subarray(0, Math.min(bytesRead, limit - start))
  for (const byte of [newLine, space]) {
    const at = before.lastIndexOf(byte)
    if (at >= 0) return start + at + 1
  }
  let at = before.length
  // A byte 10xxxxxx of UTF-8 continues a character, which has four bytes at most.
  while (at > before.length - 4 && at > 0 && (buffer[at]! & 0xc0) === 0x80) at--
  return start + at
}

class RecordList {
  #starts = new Float64Array(64)
  #numbers = new Uint32Array(64)
  #length = 0

  push(start: number, number: number): void {
    if (this.#length + 1 === this.#starts.length) {
      this.#starts = enlarged(this.#starts, new Float64Array(2 * this.#starts.length))
      this.#numbers = enlarged(this.#numbers, new Uint32Array(2 * this.#numbers.length))
    }
    this.#starts[this.#length] = start
    this.#numbers[this.#length++] = number
  }

  finish(end: number): RecordIndex {
    this.#starts[this.#length] = end
    return {
      starts: this.#starts.slice(0, this.#length + 1),
      numbers: this.#numbers.slice(0, this.#length),
    }
  }
}

function enlarged<A extends Float64Array | Uint32Array>(from: A, to: A): A {
  to.set(from)
  return to
}
