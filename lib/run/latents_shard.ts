import type { RawDocument, RawImagePart } from '../data/document.js'
import { decodePart } from '../data/stream/preprocessor.js'
import { type LatentDocument, latentNames, shardPaths } from '../data/sources/latents/latents_folder.js'
import { writeAtomically } from '../files/atomic_file.js'
import { type SafetensorsTensor, writeSafetensors } from '../files/safetensors/safetensors.js'
import type { EncodedImage, Image } from '../image/image.js'
import { addLatent, type LatentStatistics } from '../image/latent_statistics.js'
import { cast } from '../ops/cast.js'
import { fromArray } from '../tensor/tensor.js'
import type { RunEncoder } from './generative/model.js'

/** A shard of a folder of latents while it is filled. */
export class LatentsShard {
  readonly #paths: ReturnType<typeof shardPaths>
  readonly #encoder: RunEncoder
  readonly #tensors = new Map<string, SafetensorsTensor>()
  readonly #lines: string[] = []
  #images = 0
  #statistics: LatentStatistics

  /** `statistics`: of the shards before it. */
  constructor(folder: string, number: number, encoder: RunEncoder, statistics: LatentStatistics) {
    this.#paths = shardPaths(folder, number)
    this.#encoder = encoder
    this.#statistics = statistics
  }

  /** Of its latents too. */
  get statistics(): LatentStatistics {
    return this.#statistics
  }

  get images(): number {
    return this.#images
  }

  get documents(): number {
    return this.#lines.length
  }

  /** Decodes and encodes the images of documents, together. Rejects with an Error that names the document or the file. */
  async add(documents: readonly RawDocument[]): Promise<void> {
    const decoded = await Promise.all(
      documents.flatMap(({ name, parts }) =>
        parts.flatMap((part) => (part.type === 'image' ? [this.#decode(name, part)] : [])),
      ),
    )
    const encoded = await this.#encoder.encodeMoments(decoded)
    const first = this.#images
    for (const [i, { mean, logVariance }] of encoded.entries()) {
      const names = latentNames(first + i)
      this.#statistics = addLatent(this.#statistics, mean, decoded[i]!)
      this.#tensors.set(names.mean, await this.#stored(mean))
      if (logVariance) this.#tensors.set(names.logVariance, await this.#stored(logVariance))
    }
    for (const { name, parts } of documents) {
      const line: LatentDocument = {
        name,
        parts: parts.map((part) => (part.type === 'text' ? part.text : { latent: this.#images++ })),
      }
      this.#lines.push(`${JSON.stringify(line)}\n`)
    }
  }

  async #decode(name: string, part: RawImagePart): Promise<Image> {
    if ('values' in part) throw new Error(`${name}: an image of it is encoded already`)
    return decodePart(name, part, this.#encoder.preprocessing)
  }

  async #stored({ height, width, values }: EncodedImage): Promise<SafetensorsTensor> {
    const shape = [height, width, values.length / (height * width)]
    using tensor = fromArray(values, shape, 'f32', 'cpu')
    using rounded = cast(tensor, 'bf16')
    return { dtype: 'bf16', shape, data: await rounded.readBits() }
  }

  /** Writes its files, each whole or not at all; nothing where it has no documents. */
  async write(): Promise<{ documents: number; images: number }> {
    const { documents, images } = this
    if (documents > 0) {
      await writeSafetensors(this.#paths.latents, this.#tensors)
      await writeAtomically(this.#paths.documents, this.#lines.join(''))
    }
    return { documents, images }
  }
}
