import { checkArguments, checkOptions } from '../arguments.js'
import { documentSpans, type DocumentParts, type ImagePart, type Part } from './document.js'
import { advance, sequenceStart } from './metadata.js'
import { packingKeys, type PackingOptions } from './packing_options.js'

/** A document as it stands in a packed sequence, framed by special tokens. */
export interface TrainingSequence<Image extends ImagePart = ImagePart> {
  /** In reading order, special tokens included. */
  readonly spans: readonly Part<Image>[]
  /** Positions that the spans take: tokens and patches. */
  readonly length: number
  /** The images among the spans. */
  readonly images: readonly Image[]
  /** For each image whether training limits its noise. */
  readonly limitNoise: readonly boolean[]
  /** Whether its tokens are LM targets. */
  readonly textTargets: boolean
}

/**
 * Frames a document. The noise of an image is limited where no text precedes it, unless the image says otherwise. Throws a
 * RangeError as documentSpans and patchGrid.
 */
export function trainingSequence<Image extends ImagePart>(
  document: DocumentParts<Image>,
  options: PackingOptions,
): TrainingSequence<Image> {
  checkArguments('trainingSequence', { document: [document, 'parts'], options: [options, 'object'] })
  checkOptions('trainingSequence', options, packingKeys)
  checkArguments('trainingSequence', { 'options.tokens': [options.tokens, 'object'] })
  const { patch, tokens } = options
  const { parts, textTargets = true } = document
  const spans = documentSpans(document, tokens)
  const firstText = parts.findIndex((part) => part.type === 'text' && part.ids.length > 0)
  return {
    spans,
    length: advance(sequenceStart, spans, patch).length,
    images: parts.filter((part) => part.type === 'image'),
    limitNoise: parts.flatMap((part, i) =>
      part.type === 'image' ? [part.limitNoise ?? (firstText < 0 || i < firstText)] : [],
    ),
    textTargets,
  }
}
