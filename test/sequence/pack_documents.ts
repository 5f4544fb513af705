import type { DocumentParts, ImagePart } from '../../lib/sequence/document.js'
import { type PackedBatch, packSequences } from '../../lib/sequence/packing.js'
import type { PackingOptions } from '../../lib/sequence/packing_options.js'
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
