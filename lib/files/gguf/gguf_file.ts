import { type FileHandle, open } from 'node:fs/promises'
import { fileError } from '../file_error.js'
import { readFully } from '../read_fully.js'
import { GgufError, type GgufHeader, type GgufTensor, type GgufValue, readHeader } from './header.js'

/** Values that are decoded at once: the event loop turns between them. */
const decodedAtOnce = 2 ** 20

/** An open GGUF file, llama.cpp's format: metadata and tensors, which are read piece by piece. To be closed. */
export class GgufFile {
  readonly #file: FileHandle
  readonly #header: GgufHeader

  /**
   * Reads the header, and checks it against the file's size.
   * @throws GgufError for a malformed file; Error that names it where it cannot be opened
   */
  static async open(path: string): Promise<GgufFile> {
    const file = await open(path).catch((error: unknown) => {
      throw fileError(path, error)
    })
    try {
      const { size } = await file.stat()
      return new GgufFile(path, file, await readHeader(file, size, path))
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
  ) {
    this.#file = file
    this.#header = header
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
    const tensor = this.tensors.get(name)
    if (!tensor) throw new GgufError(`${this.path}: has no tensor "${name}"`)
    const { shape, type, begin } = tensor
    const row = shape.at(-1) ?? 1
    const count = shape.reduce((product, extent) => product * extent, 1)
    const least = row * rows
    const piece = least * Math.max(1, Math.floor(decodedAtOnce / least))
    for (let done = 0; done < count; done += piece) {
      const values = new Float32Array(Math.min(piece, count - done))
      const bytes = new Uint8Array((values.length / type.values) * type.bytes)
      const start = begin + (done / type.values) * type.bytes
      await readFully(this.#file, bytes, start, this.path, GgufError)
      const view = new DataView(bytes.buffer)
      for (let i = 0, at = 0; i < bytes.length; i += type.bytes, at += type.values)
        type.decode(view, i, values, at)
      yield values
    }
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
