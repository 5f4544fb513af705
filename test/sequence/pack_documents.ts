import type { DocumentParts, ImagePart } from '../../lib/sequence/document.js'
import { type PackedBatch, type PackingOptions, packSequences } from '../../lib/sequence/packing.js'
import { trainingSequence } from '../../lib/sequence/training_sequence.js'

/** Frames and packs documents. */
export const packDocuments = <Image extends ImagePart>(
  documents: readonly DocumentParts<Image>[],
  options: PackingOptions,
): PackedBatch<Image> =>
  packSequences(
    documents.map((document) => trainingSequence(document, options)),
    options,
  )
