/** Training sequences in a row, none of which sees another: what a network is trained on in one pass. */
import { checkArguments, checkOptions } from '../arguments.js'
import type { ImagePart } from './document.js'
import {
  advance,
  type PatchOptions,
  buildMetadata,
  sequenceStart,
  type SequenceMetadata,
  type Run,
} from './metadata.js'
import { packingKeys, type PackingOptions } from './packing_options.js'
import type { TrainingSequence } from './training_sequence.js'

/** All that a model needs to be trained on a sequence, except the pixels. T positions, N images. */
export interface PackedBatch<Image extends ImagePart = ImagePart> extends SequenceMetadata {
  /** `[0, T]`: queries and keys are one sequence. */
  readonly queryRows: Int32Array
  /** `[0, T]`: queries and keys are one sequence. */
  readonly keyRows: Int32Array
  /**
   * `[T]`: the next token, or -1 where there is none to learn: at BOI and patches, whose next is a patch or EOI,
   * and at the end of a document.
   */
  readonly labels: Int32Array
  /** `[T]`: weight of each label; null where all are 1. */
  readonly labelWeights: Float32Array | null
  /** Sum of the labels' weights: the denominator of the LM loss. */
  readonly targets: number
  /** `[N]`: the sequence that each image belongs to. */
  readonly sequenceOfImage: Int32Array
  /** `[N]`: 1 where training limits the noise. */
  readonly limitNoise: Uint8Array
  /** `[N]`: the images' parts. */
  readonly images: readonly Image[]
}

/** Packs sequences in the order given. Throws a RangeError as patchGrid. */
export function packSequences<Image extends ImagePart>(
  sequences: readonly TrainingSequence<Image>[],
  options: PatchOptions,
): PackedBatch<Image> {
  checkArguments('packSequences', { sequences: [sequences, 'array'], options: [options, 'object'] })
  checkOptions<Partial<PackingOptions>>('packSequences', options, packingKeys)
  let total = 0
  const runs = sequences.map(({ spans, length }): Run => {
    const keyStart = total
    total += length
    return { spans, start: sequenceStart, keyStart }
  })
  const metadata = buildMetadata(runs, options)
  return {
    ...metadata,
    queryRows: Int32Array.of(0, total),
    keyRows: Int32Array.of(0, total),
    ...labelsOf(sequences, metadata, options.patch),
    sequenceOfImage: Int32Array.from(sequences.flatMap(({ images }, i) => images.map(() => i))),
    limitNoise: Uint8Array.from(
      sequences.flatMap(({ limitNoise }) => limitNoise),
      Number,
    ),
    images: sequences.flatMap(({ images }) => images),
  }
}

/** A token is the target of the token before it in its document: so EOI, which follows a patch, never is one. */
function labelsOf(
  sequences: readonly TrainingSequence[],
  { ids, keyStart }: SequenceMetadata,
  patch: number,
): Pick<PackedBatch, 'labels' | 'labelWeights' | 'targets'> {
  const labels = new Int32Array(ids.length).fill(-1)
  const weights = new Float32Array(ids.length).fill(1)
  let targets = 0
  let row = 0
  for (const { spans, textTargets } of sequences) {
    for (const span of spans) {
      const end = row + advance(sequenceStart, [span], patch).length
      const weight = span.type === 'image' || !textTargets ? 0 : (span.weight ?? 1)
      for (; row < end; row++) {
        if (weight === 0 || row === keyStart[row] || ids[row - 1]! < 0) continue
        labels[row - 1] = ids[row]!
        weights[row - 1] = weight
        targets += weight
      }
    }
  }
  return { labels, labelWeights: weights.some((weight) => weight !== 1) ? weights : null, targets }
}
