import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { parseJson, writeJson } from './json_file.js'
import { readText } from './text_file.js'

/** A file of a model or a checkpoint that is missing, cut short, or not as it was saved. */
export class DamagedFileError extends Error {
  /** For `error.name`, and in the stack. */
  override readonly name = 'DamagedFileError'

  /** `problem` and `list`, the file that has its checksum, are for the message. */
  constructor(
    /** The damaged file. */
    readonly path: string,
    problem: string,
    list: string,
    options?: ErrorOptions,
  ) {
    super(
      `${path}: ${problem}. Take another copy, an earlier checkpoint say; where it was changed on purpose, ` +
        `delete "checksums" from ${list}, or load with verify: false`,
      options,
    )
  }
}

/** Checksums of files by their names. */
export type Checksums = Readonly<Record<string, string>>

/**
 * The checksum of bytes as they come: zlib's CRC-32, which misses no change of up to 32 bits in a row and one in 2^32 of
 * others. A cryptographic hash would take longer than the disk.
 */
export class Checksum {
  #crc = 0

  /** Takes the next bytes in: a third of a millisecond for a mebibyte. */
  add(bytes: Uint8Array | string): this {
    this.#crc = crc32(bytes, this.#crc)
    return this
  }

  /** Of all bytes so far: "crc32:" and eight hexadecimal digits. */
  get text(): string {
    return `crc32:${this.#crc.toString(16).padStart(8, '0')}`
  }
}

/** Bytes that are summed up at once: the event loop turns between them. */
export const summedAtOnce = 2 ** 20

/** What reads a file. */
export type ReadableFile = Pick<FileHandle, 'read' | 'stat' | 'close'>

/**
 * A file of which `sum` is told all that is read, which must be all of it, in order: each piece while another thread reads
 * the next, the last when it is closed.
 */
export function summedFile(file: FileHandle, sum: Checksum): ReadableFile {
  let last = new Uint8Array()
  const addLast = () => {
    sum.add(last)
    last = new Uint8Array()
  }
  const read = async (bytes: Uint8Array<ArrayBuffer>, offset: number, length: number, position: number) => {
    const piece = bytes.subarray(offset, offset + Math.min(length, summedAtOnce))
    if (overlap(piece, last)) addLast()
    const reading = file.read(piece, 0, piece.length, position)
    addLast()
    const result = await reading
    last = piece.subarray(0, result.bytesRead)
    return result
  }
  const close = () => {
    addLast()
    return file.close()
  }
  return { read: read as FileHandle['read'], stat: file.stat.bind(file), close }
}

const overlap = (a: Uint8Array, b: Uint8Array) =>
  a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.length && b.byteOffset < a.byteOffset + a.length

/** The checksum of a file. */
export async function checksumOf(path: string): Promise<string> {
  const sum = new Checksum()
  const file = await open(path)
  try {
    const buffer = new Uint8Array(summedAtOnce)
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return sum.text
      sum.add(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

/** Where a file's checksum is written, and under which name. */
export interface Listed {
  /** Absent: of a folder made before there were any, or not to be verified. */
  readonly checksums: Checksums | undefined
  /** Of the file that has them. */
  readonly list: string
  /** The file's name there. */
  readonly name: string
}

/**
 * What `read` makes of a file, which tells `sum` all its bytes in order. Rejects with a DamagedFileError where they are not
 * those that were saved, whatever `read` makes of them.
 */
export async function readListed<R>(
  path: string,
  { checksums, list, name }: Listed,
  read: (sum?: Checksum) => Promise<R>,
): Promise<R> {
  const expected = checksums?.[name]
  if (expected === undefined) return read()
  const sum = new Checksum()
  let result
  try {
    result = await read(sum)
  } catch (error) {
    const found = await checksumOf(path).catch(() => undefined)
    if (found === expected) throw error
    const reason = (error as Error).message.replace(`${path}: `, '')
    const problem = found ? 'is damaged and cannot be read' : 'is missing or cannot be opened'
    throw new DamagedFileError(path, `${problem} (${reason})`, list, { cause: error })
  }
  if (sum.text === expected) return result
  throw new DamagedFileError(
    path,
    `is damaged: it has the checksum ${sum.text}, was saved with ${expected}`,
    list,
  )
}

/** White space between JSON's values says nothing; inside of strings a change to it changes the checksum. */
const withoutSpace = (text: string) => text.replaceAll(/[ \t\r\n]/g, '')

interface Sealed {
  readonly checksums?: Checksums | undefined
}

/** The checksum of a JSON value that has it in `checksums` under `name`, or is to have. */
function sealOf(value: Sealed, name: string): string {
  const { [name]: _, ...checksums } = value.checksums ?? {}
  return new Checksum().add(withoutSpace(JSON.stringify({ ...value, checksums }))).text
}

/** Writes a JSON file with checksums of others, to which its own is added under `name`; resolves with that. */
export async function writeSealed(path: string, name: string, value: Required<Sealed>): Promise<string> {
  const seal = sealOf(value, name)
  await writeJson(path, { ...value, checksums: { ...value.checksums, [name]: seal } })
  return seal
}

/**
 * Reads what `writeSealed` wrote, or JSON without checksums, as `parse` makes something of it. Rejects as that does, and
 * with a DamagedFileError where the file is not what was written, but for white space between its values.
 */
export async function readSealed<R>(
  path: string,
  { name, parse, verify }: { name: string; parse: (value: unknown) => R; verify: boolean },
): Promise<R> {
  const text = await readText(path)
  const value = parseJson(text, path) as Sealed
  const result = parse(value)
  // Other digits may spell the same number.
  const isIntact = ({ [name]: seal }: Checksums) =>
    seal === sealOf(value, name) && withoutSpace(text) === withoutSpace(JSON.stringify(value))
  if (verify && value.checksums && !isIntact(value.checksums))
    throw new DamagedFileError(path, 'is damaged or was edited: its own checksum says so', path)
  return result
}
