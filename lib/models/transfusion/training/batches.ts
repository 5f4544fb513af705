import type { DocumentStream, StreamState } from '../../../data/document_stream.js'
import type { TransfusionConfig } from '../config.js'
import type { ModelParts } from '../io/folder.js'
import type { Denominators, TrainingBatch } from './loss.js'
import type { ImageInput } from '../../../sequence/image_parts.js'
import type { TrainingSequence } from '../../../sequence/training_sequence.js'
import { prepareSequence } from './prepare_sequence.js'
import type { TransfusionTrainingOptions } from './options.js'
import { trainingBatch } from './training_batch.js'

/** What one step of the optimizer is trained on. */
export interface TransfusionBatch {
  /** Computed one after the other, their gradients summed. */
  readonly microBatches: readonly TrainingBatch[]
  /** Over all micro-batches. */
  readonly denominators: Denominators
  /** Where the data stands after it. */
  readonly dataState: StreamState
}

/**
 * Makes the batches of a run. What is random in a batch depends on the seed and the step alone, so that a run resumes at any
 * step with a stream that stands where the step before left it.
 */
export class BatchMaker {
  /** A document that did not fit into the micro-batch before. */
  #waiting: Awaited<ReturnType<DocumentStream['next']>> | undefined

  constructor(
    readonly stream: DocumentStream,
    readonly model: Pick<ModelParts, 'objective' | 'codec'> & { network: { config: TransfusionConfig } },
    readonly options: TransfusionTrainingOptions,
  ) {}

  /** Rejects as the stream does, and when a document does not fit the model or the batch. */
  async make(step: number): Promise<TransfusionBatch> {
    const { gradientAccumulation, batchTokens, batchSize = 64 } = this.options
    const taken: Taken = { documents: 0, images: 0, dataState: undefined }
    const all: TrainingBatch[] = []
    for (let number = 0; number < gradientAccumulation; number++) {
      // Where sizes do not divide evenly, the first micro-batches take one document more.
      const size = Math.floor((batchSize + gradientAccumulation - 1 - number) / gradientAccumulation)
      const sequences =
        batchTokens === undefined
          ? await this.#take(step, taken, (count) => count < size, Infinity)
          : await this.#take(step, taken, () => true, Math.floor(batchTokens / gradientAccumulation))
      const { seed, timesteps } = this.options
      const noise = { timesteps, seed, step, firstImage: taken.images }
      const microBatch = await trainingBatch(this.model, sequences, noise)
      taken.images += microBatch.packed.images.length
      all.push(microBatch)
    }
    const learning = all.filter(({ packed }) => packed.targets > 0 || packed.images.length > 0)
    return {
      // Texts without a token have nothing to learn; a batch of them alone is refused by its loss.
      microBatches: learning.length > 0 ? learning : all,
      denominators: {
        tokens: all.reduce((sum, { packed }) => sum + packed.targets, 0),
        images: taken.images,
      },
      dataState: taken.dataState!,
    }
  }

  /** Takes documents for one micro-batch: while `more` says so and they fit into so many positions. */
  async #take(
    step: number,
    taken: Taken,
    more: (count: number) => boolean,
    positions: number,
  ): Promise<TrainingSequence<ImageInput>[]> {
    const sequences: TrainingSequence<ImageInput>[] = []
    let left = positions
    while (more(sequences.length)) {
      const next = (this.#waiting ??= await this.stream.next())
      const sequence = prepareSequence(next.document, this.model, this.options, step, taken.documents)
      const { length } = sequence
      if (length > positions)
        throw new RangeError(
          `${next.document.name}: a document of ${length} positions does not fit a batch of ${positions}`,
        )
      if (length > left) break
      this.#waiting = undefined
      left -= length
      taken.documents++
      taken.dataState = next.state
      sequences.push(sequence)
    }
    return sequences
  }
}

/** What a batch has taken from the stream so far. */
interface Taken {
  documents: number
  images: number
  dataState: StreamState | undefined
}
