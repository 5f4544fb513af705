import { checkArguments } from '../../../arguments.js'
import { parseConfig } from '../../../config/parse.js'
import { parseJson } from '../../../files/json_file.js'
import { SafetensorsReader } from '../../../files/safetensors/safetensors_reader.js'
import type { LatentPart, RawPart } from '../../document.js'
import type { DocumentSource } from '../document_source.js'
import { indexedSource } from '../indexed_source.js'
import { RecordFiles } from '../records/record_files.js'
import {
  latentDocumentSchema,
  latentNames,
  type LatentsIndex,
  readLatentsIndex,
  shardPaths,
} from './latents_folder.js'

/**
 * The documents of a folder that `transfusion encode` wrote, shuffled in each epoch: texts, and images as the means of their
 * latents, which the codec of the model that reads them scales. Rejects with an Error that names the folder where it is none, or where the
 * encoding was stopped before its end.
 */
export async function openLatentsSource(folder: string): Promise<DocumentSource> {
  checkArguments('openLatentsSource', { folder: [folder, 'string'] })
  const index = await readLatentsIndex(folder)
  if (!index.complete)
    throw new Error(
      `${folder}: its encoding was stopped after ${index.read} documents; the same transfusion encode goes on with it`,
    )
  const shards = index.shards.map((_, shard) => shardPaths(folder, shard))
  const paths = shards.map(({ documents }) => documents)
  const files = await RecordFiles.open(paths, { separator: '\n', check: () => {} })
  const numberOf = new Map(paths.map((path, shard) => [path, shard]))
  return indexedSource({
    length: files.length,
    unreadable: files.unreadable,
    open() {
      const documents = files.reader()
      const latents = new LatentShards(folder, index)
      return {
        name: (number) => `${files.place(number).path}:${files.place(number).number + 1}`,
        async parts(number) {
          const { path, number: line } = files.place(number)
          const name = `${path}:${line + 1}`
          const record = await documents.read(number)
          const { parts } = parseConfig(latentDocumentSchema, parseJson(record.trimEnd(), name), name)
          const raw: RawPart[] = []
          for (const part of parts)
            raw.push(
              typeof part === 'string'
                ? { type: 'text', text: part }
                : await latents.read(numberOf.get(path)!, part.latent),
            )
          return raw
        },
        async close() {
          await documents.close()
          await latents.close()
        },
      }
    },
  })
}

/** The files that the latents of a folder lie in, each opened when it is first read. */
class LatentShards {
  readonly #folder: string
  readonly #index: LatentsIndex
  readonly #open = new Map<number, Promise<SafetensorsReader>>()

  constructor(folder: string, index: LatentsIndex) {
    this.#folder = folder
    this.#index = index
  }

  async read(shard: number, image: number): Promise<LatentPart> {
    const { latents: path } = shardPaths(this.#folder, shard)
    if (!this.#open.has(shard)) this.#open.set(shard, SafetensorsReader.open(path))
    const reader = await this.#open.get(shard)!
    const { mean } = latentNames(image)
    const { dtype, shape, data } = await reader.read(mean)
    const [height, width, channels] = shape
    const { channels: expected } = this.#index
    if (shape.length !== 3 || channels !== expected || (dtype !== 'bf16' && dtype !== 'f32'))
      throw new Error(
        `${path}: tensor "${mean}" must be of shape [height, width, ${expected}], it is ${dtype} of [${shape.join(', ')}]`,
      )
    const floats = dtype === 'bf16' ? floatsOfBits(data as Uint16Array) : (data as Float32Array)
    if (!floats.every(Number.isFinite)) throw new Error(`${path}: tensor "${mean}" must be finite`)
    return { type: 'image', height: height!, width: width!, values: floats, unscaled: true }
  }

  async close(): Promise<void> {
    for (const reader of this.#open.values())
      await reader.then(
        (opened) => opened.close(),
        () => {},
      )
    this.#open.clear()
  }
}

/** The values of bf16, by their bits. */
function floatsOfBits(bits: Uint16Array): Float32Array {
  const floats = new Float32Array(bits.length)
  const words = new Uint32Array(floats.buffer)
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16
  return floats
}
