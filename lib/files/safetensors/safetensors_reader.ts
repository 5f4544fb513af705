import { open } from 'node:fs/promises'
import { type Checksum, type ReadableFile, summedFile } from '../checksum.js'
import { gitLfsPointer } from '../file_formats.js'
import { halves } from '../halves.js'
import { readFully } from '../read_fully.js'
import {
  elementCount,
  largestHeader,
  lengthSize,
  parseHeader,
  readDtypes,
  SafetensorsError,
  type TensorEntry,
} from './safetensors_header.js'

/** Row-major values of a tensor. bf16 is kept as its bits. */
export type SafetensorsTensor = { readonly shape: readonly number[] } & (
  | { readonly dtype: 'f32'; readonly data: Float32Array }
  | { readonly dtype: 'bf16'; readonly data: Uint16Array }
  | { readonly dtype: 'i32'; readonly data: Int32Array }
  | { readonly dtype: 'i64'; readonly data: BigInt64Array }
)

/**
 * An open safetensors file (github.com/huggingface/safetensors), whose tensors are read one by one, so that a large model
 * is not in memory twice. To be closed.
 */
export class SafetensorsReader {
  /** The file that is open, for messages. */
  readonly path: string
  /** Texts by name, `__metadata__` in the file. */
  readonly metadata: Readonly<Record<string, string>>
  /** By name, in the order of their bytes. */
  readonly entries: ReadonlyMap<string, TensorEntry>
  readonly #file: ReadableFile
  readonly #dataStart: number
  readonly #buffers: ArrayBuffer[] = []

  /**
   * Reads the header, and checks it against the file's size before any tensor is allocated. `sum` is told the file's bytes
   * as they are read: all of them where every tensor is, in the order of `entries`.
   * @throws SafetensorsError for a malformed file; the file system's error where it cannot be opened
   */
  static async open(path: string, sum?: Checksum): Promise<SafetensorsReader> {
    const opened = await open(path)
    const file = sum ? summedFile(opened, sum) : opened
    try {
      const { size } = await file.stat()
      if (size < lengthSize)
        throw new SafetensorsError(
          `${path}: holds ${size} bytes; a safetensors file has at least ${lengthSize}`,
        )
      const start = await readFully(file, new BigUint64Array(1), 0, path, SafetensorsError)
      const length = start[0]!
      if (gitLfsPointer.begin.startsWith(Buffer.from(start.buffer).toString('latin1')))
        throw new SafetensorsError(`${path}: ${gitLfsPointer.what}`)
      const largest = Math.min(largestHeader, size - lengthSize)
      if (length > BigInt(largest)) {
        throw new SafetensorsError(
          `${path}: announces a header of ${length} bytes; this file of ${size} bytes has room for ${largest}`,
        )
      }
      const dataStart = lengthSize + Number(length)
      const json = await readFully(file, new Uint8Array(Number(length)), lengthSize, path, SafetensorsError)
      return new SafetensorsReader(path, file, dataStart, parseHeader(json, size - dataStart, path))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  private constructor(
    path: string,
    file: ReadableFile,
    dataStart: number,
    header: ReturnType<typeof parseHeader>,
  ) {
    if (typeof header !== 'object' || header === null)
      throw new TypeError('SafetensorsReader: it is opened by SafetensorsReader.open')
    const { metadata, entries } = header
    this.path = path
    this.metadata = metadata
    this.entries = new Map(entries.map((entry) => [entry.name, entry]))
    this.#file = file
    this.#dataStart = dataStart
  }

  /**
   * F32, BF16, I32 and I64 as they are, F16 widened and F64 rounded to f32.
   * @throws SafetensorsError where the file has no such tensor, its dtype is another or the file was cut short meanwhile
   */
  async read(name: string): Promise<SafetensorsTensor> {
    const entry = this.entries.get(name)
    if (!entry) throw new SafetensorsError(`${this.path}: has no tensor "${name}"`)
    const { shape } = entry
    const count = elementCount(shape)
    const start = this.#dataStart + entry.begin
    const read = <T extends NodeJS.TypedArray>(array: T) =>
      readFully(this.#file, array, start, this.path, SafetensorsError)
    switch (entry.dtype) {
      case 'F32':
        return { dtype: 'f32', shape, data: await read(new Float32Array(count)) }
      case 'F16':
      case 'F64':
        return { dtype: 'f32', shape, data: await this.#readWidened(name, count) }
      case 'BF16':
        return { dtype: 'bf16', shape, data: await read(new Uint16Array(count)) }
      case 'I32':
        return { dtype: 'i32', shape, data: await read(new Int32Array(count)) }
      case 'I64':
        return { dtype: 'i64', shape, data: await read(new BigInt64Array(count)) }
      default:
        throw new SafetensorsError(
          `${this.path}: tensor "${name}" has the dtype ${entry.dtype}; those read are ${readDtypes.join(', ')}`,
        )
    }
  }

  async #readWidened(name: string, count: number): Promise<Float32Array> {
    const floats = new Float32Array(count)
    let done = 0
    for await (const piece of this.readPieces(name)) {
      floats.set(piece, done)
      done += piece.length
    }
    return floats
  }

  /**
   * The values of a tensor of floats in order, a piece at a time, so that it never lies in memory whole: F32 and the bits of
   * BF16 as they are, F16 widened and F64 rounded to f32. A piece has whole rows, and is valid until the next is asked for.
   * @throws SafetensorsError as `read`
   */
  async *readPieces(name: string): AsyncGenerator<Float32Array | Uint16Array, void, undefined> {
    const entry = this.entries.get(name)
    if (!entry) throw new SafetensorsError(`${this.path}: has no tensor "${name}"`)
    const stored = storedFloats[entry.dtype]
    if (!stored)
      throw new SafetensorsError(`${this.path}: tensor "${name}" has the dtype ${entry.dtype}, not of floats`)
    const count = elementCount(entry.shape)
    const size = Math.min(count, rowsAtOnce(entry))
    const buffer = this.#takeBuffer(size * stored.array.BYTES_PER_ELEMENT)
    const widening = stored.widen && this.#takeBuffer(size * 4)
    try {
      const piece = new stored.array(buffer, 0, size)
      const widened = widening && new Float32Array(widening, 0, size)
      for (let done = 0; done < count; done += size) {
        const values = piece.subarray(0, count - done)
        const start = this.#dataStart + entry.begin + done * piece.BYTES_PER_ELEMENT
        await readFully(this.#file, values, start, this.path, SafetensorsError)
        if (!widened) yield values as Float32Array | Uint16Array
        else {
          for (let i = 0; i < values.length; i++) widened[i] = stored.widen!(values[i]!)
          yield widened.subarray(0, values.length)
        }
      }
    } finally {
      this.#buffers.push(buffer, ...(widening ? [widening] : []))
    }
  }

  /** The bytes of a tensor of U8, as `readPieces`. */
  async *readBytes(name: string): AsyncGenerator<Uint8Array, void, undefined> {
    const entry = this.entries.get(name)
    if (entry?.dtype !== 'U8')
      throw new SafetensorsError(
        `${this.path}: tensor "${name}" is ${entry?.dtype ?? 'missing'}, expected U8`,
      )
    const count = elementCount(entry.shape)
    const size = Math.min(count, rowsAtOnce(entry))
    const buffer = this.#takeBuffer(size)
    try {
      for (let done = 0; done < count; done += size) {
        const bytes = new Uint8Array(buffer, 0, Math.min(size, count - done))
        yield await readFully(
          this.#file,
          bytes,
          this.#dataStart + entry.begin + done,
          this.path,
          SafetensorsError,
        )
      }
    } finally {
      this.#buffers.push(buffer)
    }
  }

  /** One that no tensor is being read into: new ones for each tensor would pile up until they are collected. */
  #takeBuffer(bytes: number): ArrayBuffer {
    const found = this.#buffers.findIndex(({ byteLength }) => byteLength >= bytes)
    return found < 0 ? new ArrayBuffer(bytes) : this.#buffers.splice(found, 1)[0]!
  }

  /** Closes the file. */
  close(): Promise<void> {
    return this.#file.close()
  }

  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const elementsAtOnce = 2 ** 18

/** About so many elements, in whole rows. */
function rowsAtOnce({ shape }: TensorEntry): number {
  const row = shape.at(-1) || 1
  return row * Math.max(1, Math.floor(elementsAtOnce / row))
}

const halfToFloat = (bits: number): number => halves[bits]!

/** By dtype the array that its bytes are read into and, where ops do not take these values, what makes f32 of each. */
const storedFloats: Partial<
  Record<
    TensorEntry['dtype'],
    {
      array: typeof Float32Array | typeof Uint16Array | typeof Float64Array
      widen?: (value: number) => number
    }
  >
> = {
  F32: { array: Float32Array },
  BF16: { array: Uint16Array },
  F16: { array: Uint16Array, widen: halfToFloat },
  F64: { array: Float64Array, widen: Number },
}
