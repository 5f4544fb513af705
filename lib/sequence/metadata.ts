/**
 * Metadata of sequences on the host: which keys each token and patch attends to, and their rotary positions. Training
 * (packing.ts) and decoding (decode_metadata.ts) both build on this file; nn/attention_metadata.ts uploads it.
 *
 * T positions, P patches of all images, N images.
 */
import type { ImageSize } from '../image/image.js'
import type { ImagePart, Part } from './document.js'

/** The end of a sequence so far: how many keys it has, and the rotary position of what follows. */
export interface Cursor {
  readonly length: number
  readonly position: number
}

export const sequenceStart: Cursor = { length: 0, position: 0 }

/** Parts that follow one another, special tokens included, from `start` on. */
export interface Run {
  readonly spans: readonly Part[]
  readonly start: Cursor
  /** Key position at which the document begins. */
  readonly keyStart: number
}

/** What attention, rotary embeddings and the patch parts need of sequences, on the host. */
export interface SequenceMetadata {
  /** `[T]`: token ids, -1 at patches. */
  readonly ids: Int32Array
  /**
   * `[T]`: position q sees the keys keyStart[q] .. keyEnd[q] - 1 of its own sequence. keyStart: where its document
   * begins; keyEnd: q + 1, or the end of the image that holds q (section 3, Transfusion attention) unless images are
   * causal.
   */
  readonly keyStart: Int32Array
  /** `[T]`: the key after the last that a query sees, see keyStart. */
  readonly keyEnd: Int32Array
  /**
   * `[T, 3]`: rotary positions along sequence, row and column. A token has three equal ones, so that text alone is
   * plain RoPE; an image that begins at p gives its patches (p, p + row, p + column), and what follows continues
   * after the largest. The scheme is Qwen2-VL's multimodal RoPE; the paper has plain RoPE: our choice.
   */
  readonly positions: Float32Array
  /** `[P]`: row of each patch in the sequence. */
  readonly patchRows: Int32Array
  /** `[P]`: the image that each patch belongs to. */
  readonly patchImage: Int32Array
  /** `[P, 2]`: row and column of each patch in its image, in patches. */
  readonly patchPositions: Float32Array
  /** `[N, 2]`: height and width in pixels. */
  readonly imageSizes: Int32Array
  /** `[N + 1]`: image i owns the pixel rows imageRows[i] .. imageRows[i + 1] - 1. */
  readonly imageRows: Int32Array
}

/** The image's size in patches. Throws a RangeError unless patches of `patch` pixels cover it exactly. */
export function patchGrid(image: ImageSize, patch: number): { rows: number; columns: number } {
  const rows = image.height / patch
  const columns = image.width / patch
  if (!Number.isInteger(rows) || !Number.isInteger(columns) || rows < 1 || columns < 1) {
    throw new RangeError(
      `image of ${image.height} x ${image.width} pixels: both must be positive multiples of the patch size ${patch}`,
    )
  }
  return { rows, columns }
}

/** The end of a sequence after these parts. Throws as patchGrid. */
export function advance(start: Cursor, spans: readonly Part[], patch: number): Cursor {
  let { length, position } = start
  for (const span of spans) {
    if (span.type === 'text') {
      length += span.ids.length
      position += span.ids.length
    } else {
      const { rows, columns } = patchGrid(span, patch)
      length += rows * columns
      position += Math.max(rows, columns)
    }
  }
  return { length, position }
}

/** How a model's images become positions of a sequence. */
export interface PatchOptions {
  /** Side of a patch in pixels. */
  readonly patch: number
  /** Whether a patch attends to earlier patches alone, as a token does. */
  readonly causalImages?: boolean
}

/** The metadata of runs that follow one another. Throws as patchGrid. */
export function buildMetadata(
  runs: readonly Run[],
  { patch, causalImages = false }: PatchOptions,
): SequenceMetadata {
  const images = runs.flatMap((run) => run.spans.filter((span) => span.type === 'image'))
  const length = runs.reduce(
    (sum, run) => sum + advance(run.start, run.spans, patch).length - run.start.length,
    0,
  )
  const patches = images.reduce((sum, image) => sum + (image.height / patch) * (image.width / patch), 0)
  const metadata = {
    ids: new Int32Array(length),
    keyStart: new Int32Array(length),
    keyEnd: new Int32Array(length),
    positions: new Float32Array(length * 3),
    patchRows: new Int32Array(patches),
    patchImage: new Int32Array(patches),
    patchPositions: new Float32Array(patches * 2),
    ...imageTables(images),
  }

  let row = 0
  let patchIndex = 0
  let imageIndex = 0
  const place = (id: number, run: Run, keyEnd: number, position: readonly [number, number, number]): void => {
    metadata.ids[row] = id
    metadata.keyStart[row] = run.keyStart
    metadata.keyEnd[row] = run.keyStart + keyEnd
    metadata.positions.set(position, row * 3)
    row++
  }
  for (const run of runs) {
    let cursor = run.start
    for (const span of run.spans) {
      const end = advance(cursor, [span], patch)
      const { length: first, position: p } = cursor
      if (span.type === 'text') {
        span.ids.forEach((id, i) => place(id, run, first + i + 1, [p + i, p + i, p + i]))
      } else {
        const { rows, columns } = patchGrid(span, patch)
        for (let i = 0; i < rows * columns; i++) {
          const patchRow = Math.floor(i / columns)
          const patchColumn = i % columns
          metadata.patchRows[patchIndex] = row
          metadata.patchImage[patchIndex] = imageIndex
          metadata.patchPositions.set([patchRow, patchColumn], patchIndex * 2)
          patchIndex++
          place(-1, run, causalImages ? first + i + 1 : end.length, [p, p + patchRow, p + patchColumn])
        }
        imageIndex++
      }
      cursor = end
    }
  }
  return metadata
}

function imageTables(images: readonly ImagePart[]): Pick<SequenceMetadata, 'imageSizes' | 'imageRows'> {
  const imageRows = new Int32Array(images.length + 1)
  images.forEach((image, i) => (imageRows[i + 1] = imageRows[i]! + image.height * image.width))
  return { imageSizes: Int32Array.from(images.flatMap((image) => [image.height, image.width])), imageRows }
}

/** The same positions with the images in another order: image i of the result is image order[i] of `metadata`. */
export function orderImages<L extends SequenceMetadata>(metadata: L, order: readonly number[]): L {
  const images = order.map((image) => {
    const [height, width] = metadata.imageSizes.subarray(2 * image, 2 * image + 2)
    return { type: 'image' as const, height: height!, width: width! }
  })
  const { imageSizes, imageRows } = imageTables(images)
  // Patches of one image lie together, in the order of the images.
  const first = new Int32Array(order.length + 1)
  for (const image of metadata.patchImage) first[image + 1]!++
  for (let image = 0; image < order.length; image++) first[image + 1]! += first[image]!
  const patches = metadata.patchRows.length
  const patchRows = new Int32Array(patches)
  const patchImage = new Int32Array(patches)
  const patchPositions = new Float32Array(2 * patches)
  let patch = 0
  for (const [i, image] of order.entries()) {
    const [begin, end] = [first[image]!, first[image + 1]!]
    patchRows.set(metadata.patchRows.subarray(begin, end), patch)
    patchImage.fill(i, patch, patch + end - begin)
    patchPositions.set(metadata.patchPositions.subarray(2 * begin, 2 * end), 2 * patch)
    patch += end - begin
  }
  return { ...metadata, imageSizes, imageRows, patchRows, patchImage, patchPositions }
}
