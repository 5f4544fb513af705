import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { contentsInstead } from './checkpoint_contents.js'
import { readJson } from '../json_file.js'
import { SafetensorsError, type TensorEntry } from './safetensors_header.js'
import { SafetensorsReader, type SafetensorsTensor } from './safetensors_reader.js'

const indexSchema = z.object({
  /** Tensor -> file. */
  weight_map: z.record(
    z.string(),
    z.string().refine((name) => name !== '' && basename(name) === name, 'expected the name of a file'),
  ),
})

/** Names of a checkpoint's files: `model` is transformers', `diffusion_pytorch_model` diffusers'. */
export type SafetensorsStem = 'model' | 'diffusion_pytorch_model'

/**
 * The tensors of a checkpoint as Hugging Face's libraries write them: `model.safetensors`, or the files that
 * `model.safetensors.index.json` lists. Read one by one; to be closed.
 */
export class SafetensorsFolder {
  /** Paths of all its files, an index first. */
  readonly files: readonly string[]
  readonly #readers: readonly SafetensorsReader[]
  readonly #places = new Map<string, SafetensorsReader>()

  /**
   * Opens every file and reads its header. Throws an Error that names the file and what is wrong: no weights, a file
   * missing or malformed, a tensor missing from its file, in two files, or not in the index.
   */
  static async open(folder: string, stem: SafetensorsStem = 'model'): Promise<SafetensorsFolder> {
    const names = await readdir(folder)
    const single = `${stem}.safetensors`
    const index = `${single}.index.json`
    if (names.includes(single)) {
      const path = join(folder, single)
      return new SafetensorsFolder([await SafetensorsReader.open(path)])
    }
    if (!names.includes(index))
      throw new Error(`${folder}: holds neither ${single} nor ${index}${contentsInstead(names, single)}`)
    return SafetensorsFolder.#openShards(folder, names, index)
  }

  static async #openShards(
    folder: string,
    names: readonly string[],
    index: string,
  ): Promise<SafetensorsFolder> {
    const path = join(folder, index)
    const { weight_map } = parseConfig(indexSchema, await readJson(path), path)
    const shards = [...new Set(Object.values(weight_map))].toSorted()
    if (shards.length === 0) throw new Error(`${path}: its weight_map lists no tensors`)
    for (const shard of shards)
      if (!names.includes(shard)) throw new Error(`${path}: lists ${shard}, which is not in the folder`)
    const readers: SafetensorsReader[] = []
    try {
      for (const shard of shards) readers.push(await SafetensorsReader.open(join(folder, shard)))
      const opened = new SafetensorsFolder(readers, path)
      for (const [name, shard] of Object.entries(weight_map)) {
        const found = opened.#places.get(name)?.path
        if (found !== join(folder, shard))
          throw new SafetensorsError(
            `${path}: tensor "${name}" should be in ${shard}; it is in ${found ? basename(found) : 'none'}`,
          )
      }
      const unlisted = [...opened.names].find((name) => !Object.hasOwn(weight_map, name))
      if (unlisted !== undefined)
        throw new SafetensorsError(`${opened.pathOf(unlisted)}: tensor "${unlisted}" is not in ${index}`)
      return opened
    } catch (error) {
      for (const reader of readers) await reader.close()
      throw error
    }
  }

  private constructor(readers: readonly SafetensorsReader[], index?: string) {
    this.#readers = readers
    this.files = [...(index === undefined ? [] : [index]), ...readers.map(({ path }) => path)]
    for (const reader of readers)
      for (const name of reader.entries.keys()) {
        const other = this.#places.get(name)
        if (other)
          throw new SafetensorsError(`${reader.path}: tensor "${name}" is in ${basename(other.path)} as well`)
        this.#places.set(name, reader)
      }
  }

  get names(): IterableIterator<string> {
    return this.#places.keys()
  }

  /** The file that holds a tensor; the folder's weights where none does. */
  pathOf(name: string): string {
    return (this.#places.get(name) ?? this.#readers[0]!).path
  }

  /** Undefined where there is no such tensor. */
  entry(name: string): TensorEntry | undefined {
    return this.#places.get(name)?.entries.get(name)
  }

  /** See {@link SafetensorsReader.read}. */
  read(name: string): Promise<SafetensorsTensor> {
    return (this.#places.get(name) ?? this.#readers[0]!).read(name)
  }

  /** See {@link SafetensorsReader.readPieces}. */
  readPieces(name: string): AsyncGenerator<Float32Array | Uint16Array, void, undefined> {
    return (this.#places.get(name) ?? this.#readers[0]!).readPieces(name)
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) await reader.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
