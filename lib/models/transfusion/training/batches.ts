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
export interface StepBatch {
  /** Computed one after the other, their gradients summed. */
  readonly parts: readonly TrainingBatch[]
  /** Over all parts. */
  readonly denominators: Denominators
  /** Where the data stands after it. */
  readonly state: StreamState
}

/**
 * Makes the batches of a run. What is drawn at random depends on the seed and the step alone, so a run resumes at any
 * step with a stream that stands where the step before left it.
 */
export class BatchMaker {
  /** A document that did not fit the batch before. */
  #waiting: Awaited<ReturnType<DocumentStream['next']>> | undefined

  constructor(
    readonly stream: DocumentStream,
    readonly model: Pick<ModelParts, 'objective' | 'codec'> & { network: { config: TransfusionConfig } },
    readonly options: TransfusionTrainingOptions,
  ) {}

  /** Rejects as the stream does, and when a document does not fit the model or the batch. */
  async make(step: number): Promise<StepBatch> {
    const { gradientAccumulation, batchTokens, batchSize = 64 } = this.options
    const drawn: Drawn = { documents: 0, images: 0, state: undefined }
    const parts: TrainingBatch[] = []
    for (let part = 0; part < gradientAccumulation; part++) {
      // Sizes that do not divide evenly: the first parts take one document more.
      const size = Math.floor((batchSize + gradientAccumulation - 1 - part) / gradientAccumulation)
      const sequences =
        batchTokens === undefined
          ? await this.#take(step, drawn, (count) => count < size, Infinity)
          : await this.#take(step, drawn, () => true, Math.floor(batchTokens / gradientAccumulation))
      const { seed, timesteps } = this.options
      const noise = { timesteps, seed, step, firstImage: drawn.images }
      parts.push(await trainingBatch(this.model, sequences, noise))
      drawn.images += parts.at(-1)!.packed.images.length
    }
    const total = (count: (batch: TrainingBatch) => number) =>
      parts.reduce((sum, part) => sum + count(part), 0)
    const learning = parts.filter(({ packed }) => packed.targets > 0 || packed.images.length > 0)
    return {
      // Texts of no token have nothing to learn; a batch of them alone is refused by its loss.
      parts: learning.length > 0 ? learning : parts,
      denominators: { tokens: total(({ packed }) => packed.targets), images: drawn.images },
      state: drawn.state!,
    }
  }

  /** Documents for one part: while `more` says so and they fit into so many positions. */
  async #take(
    step: number,
    drawn: Drawn,
    more: (count: number) => boolean,
    positions: number,
  ): Promise<TrainingSequence<ImageInput>[]> {
    const sequences: TrainingSequence<ImageInput>[] = []
    let left = positions
    while (more(sequences.length)) {
      const next = (this.#waiting ??= await this.stream.next())
      const sequence = prepareSequence(next.document, this.model, this.options, step, drawn.documents)
      const { length } = sequence
      if (length > positions)
        throw new RangeError(
          `${next.document.name}: a document of ${length} positions does not fit a batch of ${positions}`,
        )
      if (length > left) break
      this.#waiting = undefined
      left -= length
      drawn.documents++
      drawn.state = next.state
      sequences.push(sequence)
    }
    return sequences
  }
}

/** How far a batch has come. */
interface Drawn {
  documents: number
  images: number
  state: StreamState | undefined
}
