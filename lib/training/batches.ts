import type { Image } from '../data/document.js'
import { sampleIndex } from '../data/sample_order.js'
import type { ImageDataset, Sample } from '../data/sources/image_dataset.js'
import { diffusionTargets } from '../diffusion/objective.js'
import { cosineSchedule } from '../diffusion/schedule.js'
import { drawTimesteps } from '../diffusion/timesteps.js'
import type { TransfusionConfig } from '../models/transfusion/config.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import type { TrainingBatch } from '../models/transfusion/loss.js'
import { imagePart, type PixelPart, pixelsOf, specialTokens } from '../models/transfusion/pixel_parts.js'
import { randomSeeds, randomUniform } from '../random.js'
import { type Document, dropCondition } from '../sequence/document.js'
import { arrangePair, pairOrder } from '../sequence/order.js'
import { packDocuments } from '../sequence/packing.js'
import type { TrainingOptions } from './options.js'

/**
 * Makes the batches of a run. Batch `step` is a pure function of the data set, the options and the step, so a run
 * resumes at any step.
 */
export class BatchMaker {
  readonly #schedule = cosineSchedule()
  readonly #captions = new Map<string, number[]>()

  constructor(
    readonly dataset: ImageDataset,
    readonly model: Pick<ModelParts, 'tokenizer' | 'objective'> & { network: { config: TransfusionConfig } },
    readonly options: TrainingOptions,
  ) {}

  /** Rejects as the data set's `get` does, and when an image does not fit the model. */
  async make(step: number): Promise<TrainingBatch> {
    const { seed, batchSize, timesteps } = this.options
    const { config } = this.model.network
    const documents: Document<PixelPart>[] = []
    for (let i = 0; i < batchSize; i++) {
      const index = sampleIndex(step * batchSize + i, this.dataset.length, seed)
      documents.push(this.#document(await this.dataset.get(index), index, step, i))
    }
    const packed = packDocuments(documents, {
      patch: config.image.patch,
      tokens: specialTokens(config),
    })
    const t = drawTimesteps(timesteps, packed.limited, seed, step)
    return {
      packed,
      pixels: pixelsOf(packed.images),
      targets: diffusionTargets(this.#schedule, this.model.objective, t),
      seeds: randomSeeds(seed, 'noise', step, packed.images.length),
    }
  }

  #document(sample: Sample, index: number, step: number, i: number): Document<PixelPart> {
    const { seed, captionFirst, captionFirstTextWeight, conditionDropout } = this.options
    const { text, image } = captionAndImage(sample, index)
    const order = pairOrder(randomUniform(seed, 'order', step, i), captionFirst)
    const weight = order === 'caption-first' ? captionFirstTextWeight : 1
    const pixels = imagePart(image, this.model.network.config, `sample ${index}`)
    const document = arrangePair({ type: 'text', ids: this.#encode(text), weight }, pixels, order)
    const dropped = order === 'caption-first' && randomUniform(seed, 'condition', step, i) < conditionDropout
    return dropped ? dropCondition(document, 0) : document
  }

  /** Captions made from templates repeat; others are encoded each time. */
  #encode(text: string): number[] {
    let ids = this.#captions.get(text)
    if (!ids) {
      ids = [...this.model.tokenizer.encode(text)]
      if (this.#captions.size < 10_000) this.#captions.set(text, ids)
    }
    return ids
  }
}

function captionAndImage({ parts }: Sample, index: number): { text: string; image: Image } {
  const text = parts.find((part) => part.type === 'text')?.text
  const image = parts.find((part) => part.type === 'image')?.image
  if (text === undefined || !image || parts.length !== 2)
    throw new Error(
      `sample ${index}: a caption and an image are needed, received ${parts.map((p) => p.type)}`,
    )
  return { text, image }
}
