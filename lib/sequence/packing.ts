/** Documents for training: any number of them in a row, in one sequence, none of which sees another. */
import { checkArguments } from '../arguments.js'
import { documentSpans, type Document, type ImagePart, type Part, type SpecialTokens } from './document.js'
import { advance, type ImageLayout, layoutRuns, sequenceStart, type Layout, type Run } from './layout.js'

/** What packing must know of the model. */
export interface PackingOptions extends ImageLayout {
  /** Ids of the tokens that frame documents and images. */
  readonly tokens: SpecialTokens
}

/** How documents are laid out for a model of this config. */
export const packingOf = ({
  tokens,
  image: { patch, attention },
}: {
  readonly tokens: SpecialTokens
  readonly image: { readonly patch: number; readonly attention: 'bidirectional' | 'causal' }
}): PackingOptions => ({ patch, causalImages: attention === 'causal', tokens })

/** All that a model needs to be trained on a sequence, except the pixels. T positions, N images. */
export interface PackedBatch<Image extends ImagePart = ImagePart> extends Layout {
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
  /** `[N]`: the document that each image belongs to. */
  readonly documentOfImage: Int32Array
  /** `[N]`: 1 where training limits the noise. */
  readonly limited: Uint8Array
  /** `[N]`: the images' parts. */
  readonly images: readonly Image[]
}

/** Packs documents in the order given. Throws a RangeError as documentSpans and patchGrid. */
export function packDocuments<Image extends ImagePart>(
  documents: readonly Document<Image>[],
  options: PackingOptions,
): PackedBatch<Image> {
  checkArguments('packDocuments', { documents: [documents, 'array'], options: [options, 'object'] })
  const { tokens, ...images } = options
  const { patch } = images
  const documentParts = documents.map((document) => documentSpans(document, tokens))
  let total = 0
  const runs = documentParts.map((spans): Run => {
    const keyStart = total
    total += advance(sequenceStart, spans, patch).length
    return { spans, start: sequenceStart, keyStart }
  })
  const layout = layoutRuns(runs, images)
  const parts = documents.flatMap(imagesOf)
  return {
    ...layout,
    queryRows: Int32Array.of(0, total),
    keyRows: Int32Array.of(0, total),
    ...labelsOf(documents, documentParts, layout, patch),
    documentOfImage: Int32Array.from(documents.flatMap((document, i) => imagesOf(document).map(() => i))),
    limited: Uint8Array.from(documents.flatMap(limitedImages), Number),
    images: parts,
  }
}

/** Positions that a document takes in a packed sequence. Throws as packDocuments. */
export function documentLength(document: Document, { patch, tokens }: PackingOptions): number {
  return advance(sequenceStart, documentSpans(document, tokens), patch).length
}

function imagesOf<Image extends ImagePart>(document: Document<Image>): Image[] {
  return document.parts.filter((part) => part.type === 'image')
}

function limitedImages(document: Document): boolean[] {
  const firstText = document.parts.findIndex((part) => part.type === 'text' && part.ids.length > 0)
  return document.parts.flatMap((part, i) =>
    part.type === 'image' ? [part.limited ?? (firstText < 0 || i < firstText)] : [],
  )
}

/** A token is the target of the token before it in its document: so EOI, which follows a patch, never is one. */
function labelsOf(
  documents: readonly Document[],
  spans: readonly (readonly Part[])[],
  { ids, keyStart }: Layout,
  patch: number,
): Pick<PackedBatch, 'labels' | 'labelWeights' | 'targets'> {
  const labels = new Int32Array(ids.length).fill(-1)
  const weights = new Float32Array(ids.length).fill(1)
  let targets = 0
  let row = 0
  documents.forEach((document, d) => {
    for (const span of spans[d]!) {
      const end = row + advance(sequenceStart, [span], patch).length
      const weight = span.type === 'image' || document.textTargets === false ? 0 : (span.weight ?? 1)
      for (; row < end; row++) {
        if (weight === 0 || row === keyStart[row] || ids[row - 1]! < 0) continue
        labels[row - 1] = ids[row]!
        weights[row - 1] = weight
        targets += weight
      }
    }
  })
  return { labels, labelWeights: weights.some((weight) => weight !== 1) ? weights : null, targets }
}
