import { type FileHandle, open } from 'node:fs/promises'
import { fileError } from '../file_error.js'
import { readFully } from '../read_fully.js'
import { GgufError, type GgufHeader, type GgufTensor, type GgufValue, readHeader } from './header.js'

/** Values that are decoded at once: the event loop turns between them. */
const decodedAtOnce = 2 ** 18
/** Values whose blocks are read at once. */
const readAtOnce = 2 ** 20

/** An open GGUF file, llama.cpp's format: metadata and tensors, which are read piece by piece. To be closed. */
export class GgufFile {
  readonly #file: FileHandle
  readonly #header: GgufHeader
  readonly #version: string

  /**
   * Reads the header, and checks it against the file's size.
   * @throws GgufError for a malformed file; Error that names it where it cannot be opened
   */
  static open(path: string): Promise<GgufFile> {
    return GgufFile.#open(path)
  }

  /** Opens the file once more; its header is not read again unless the file is another by now. */
  reopen(): Promise<GgufFile> {
    return GgufFile.#open(this.path, this)
  }

  static async #open(path: string, known?: GgufFile): Promise<GgufFile> {
    const file = await open(path).catch((error: unknown) => {
      throw fileError(path, error)
    })
    try {
      const { size, ino, mtimeMs } = await file.stat()
      const version = [ino, size, mtimeMs].join()
      const header = known && version === known.#version ? known.#header : await readHeader(file, size, path)
      return new GgufFile(path, file, header, version)
    } catch (error) {
      await file.close()
      throw fileError(path, error)
    }
  }

  private constructor(
    /** For messages. */
    readonly path: string,
    file: FileHandle,
    header: GgufHeader,
    version: string,
  ) {
    this.#file = file
    this.#header = header
    this.#version = version
  }

  /** What the file says of the model and its tokenizer. */
  get metadata(): ReadonlyMap<string, GgufValue> {
    return this.#header.metadata
  }

  /** By name, in the order of the file. */
  get tensors(): ReadonlyMap<string, GgufTensor> {
    return this.#header.tensors
  }

  /**
   * The values of a tensor in row-major order, dequantized to f32: pieces of whole rows, `rows` of them or a multiple.
   * @throws GgufError where the file has no such tensor or was cut short meanwhile
   */
  async *read(name: string, rows = 1): AsyncGenerator<Float32Array, void, undefined> {
    const { type } = this.#tensor(name)
    for await (const bytes of this.#pieces(name, rows, decodedAtOnce)) {
      const values = new Float32Array((bytes.length / type.bytes) * type.values)
      const view = new DataView(bytes.buffer)
      for (let i = 0, at = 0; i < bytes.length; i += type.bytes, at += type.values)
        type.decode(view, i, values, at)
      yield values
    }
  }

  /** As `read`, but the bytes of the blocks as the file has them. A piece is valid until the next is asked for. */
  readBlocks(name: string, rows = 1): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    return this.#pieces(name, rows, readAtOnce)
  }

  async *#pieces(
    name: string,
    rows: number,
    atOnce: number,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const { shape, type, begin } = this.#tensor(name)
    const row = shape.at(-1) ?? 1
    const count = shape.reduce((product, extent) => product * extent, 1)
    const least = row * rows
    const piece = least * Math.max(1, Math.floor(atOnce / least))
    // One buffer for all: new ones would pile up until they are collected.
    const buffer = new Uint8Array((Math.min(piece, count) / type.values) * type.bytes)
    for (let done = 0; done < count; done += piece) {
      const bytes = buffer.subarray(0, (Math.min(piece, count - done) / type.values) * type.bytes)
      const start = begin + (done / type.values) * type.bytes
      yield await readFully(this.#file, bytes, start, this.path, GgufError)
    }
  }

  #tensor(name: string): GgufTensor {
    const tensor = this.tensors.get(name)
    if (!tensor) throw new GgufError(`${this.path}: has no tensor "${name}"`)
    return tensor
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
