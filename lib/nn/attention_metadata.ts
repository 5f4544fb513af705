import { checkArguments } from '../arguments.js'
import type { AttentionSpans } from '../ops/attention.js'
import type { SequenceMetadata } from '../sequence/metadata.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'
import { bucketImages, type SizeBuckets, tensorsOfBuckets } from './size_buckets.js'

/**
 * Where the tokens and patches of one call stand, and which keys they see: a `SequenceMetadata` (sequence/metadata.ts) on
 * the device.
 */
export interface AttentionMetadata {
  /** `[T]` i32: token ids, -1 at patches. */
  ids: Tensor
  /** Which keys each position sees. */
  spans: AttentionSpans
  /** `[T, 3]` f32: rotary positions along sequence, row and column. */
  positions: Tensor
  /** `[P]` i32: row of each patch in the sequence. */
  patchRows: Tensor
  /** Present where image positions have weights of their own. */
  text?: TextPositions | undefined
  /** `[P]` i32: the image that each patch belongs to. */
  patchImage: Tensor
  /** `[P]` f32: row of each patch in its image, in patches. */
  patchRow: Tensor
  /** `[P]` f32: column of each patch in its image, in patches. */
  patchColumn: Tensor
  /** `[N, 2]` i32: height and width in pixels. */
  imageSizes: Tensor
  /** `[N + 1]` i32: image i owns the pixel rows imageRows[i] .. imageRows[i + 1] - 1. */
  imageRows: Tensor
  /** Images of equal size together, for convolutions; empty where the model has none. */
  sizeBuckets: SizeBuckets
  /** S, the pixels of all images. */
  pixelRows: number
  /** N. */
  images: number
}

/** The positions that are no patches: tokens, those that frame images included. */
export interface TextPositions {
  /** `[T - P]` i32: their rows in the sequence. */
  rows: Tensor
  /** Whether all positions are patches, and those in the order of the sequence. */
  isNone: boolean
}

/** What a model's attention metadata depends on. */
export interface MetadataImages {
  /** In pixels. */
  patch: number
  /** Present where a U-Net reads the images. */
  unet?: object | undefined
  /** What positions of images have weights of their own for. */
  weights?: 'shared' | 'feed-forward' | 'all'
}

/** Uploads the metadata of sequences for a model of such images; the open scope owns the tensors. */
export function uploadAttentionMetadata(
  metadata: SequenceMetadata & { queryRows: Int32Array; keyRows: Int32Array },
  image: MetadataImages,
): AttentionMetadata {
  checkArguments('uploadAttentionMetadata', { metadata: [metadata, 'metadata'], image: [image, 'object'] })
  const { patchPositions, imageRows } = metadata
  const images = imageRows.length - 1
  return {
    ids: fromArray(metadata.ids),
    spans: {
      keyStart: fromArray(metadata.keyStart),
      keyEnd: fromArray(metadata.keyEnd),
      queryRows: fromArray(metadata.queryRows),
      keyRows: fromArray(metadata.keyRows),
    },
    positions: fromArray(metadata.positions, [metadata.ids.length, 3]),
    patchRows: fromArray(metadata.patchRows),
    ...((image.weights ?? 'shared') !== 'shared' && { text: textPositions(metadata) }),
    patchImage: fromArray(metadata.patchImage),
    patchRow: fromArray(everySecond(patchPositions, 0)),
    patchColumn: fromArray(everySecond(patchPositions, 1)),
    imageSizes: fromArray(metadata.imageSizes, [images, 2]),
    imageRows: fromArray(imageRows),
    sizeBuckets: bucketsFor(metadata.imageSizes, image),
    pixelRows: imageRows.at(-1)!,
    images,
  }
}

function textPositions({ ids, patchRows }: SequenceMetadata): TextPositions {
  const isPatch = new Uint8Array(ids.length)
  for (const row of patchRows) isPatch[row] = 1
  const rows = Int32Array.from(isPatch.keys()).filter((row) => !isPatch[row])
  return { rows: fromArray(rows), isNone: rows.length === 0 && patchRows.every((row, i) => row === i) }
}

function everySecond(pairs: ArrayLike<number>, first: 0 | 1): Float32Array {
  const values = new Float32Array(pairs.length / 2)
  for (let i = 0; i < values.length; i++) values[i] = pairs[2 * i + first]!
  return values
}

const bucketsFor = (imageSizes: Int32Array, { patch, unet }: MetadataImages): SizeBuckets =>
  unet ? bucketImages(imageSizes, patch) : { list: [], order: undefined }

/** The metadata of the first `images` images alone, as a network's `imagePrediction` takes it. */
export function firstImages(
  metadata: AttentionMetadata,
  { imageSizes, patchImage }: SequenceMetadata,
  images: number,
  image: MetadataImages,
): AttentionMetadata {
  if (images === metadata.images) return metadata
  const end = patchImage.findIndex((index) => index >= images)
  const patches = end < 0 ? patchImage.length : end
  return {
    ...metadata,
    patchRows: metadata.patchRows.view([patches]),
    imageSizes: metadata.imageSizes.view([images, 2]),
    sizeBuckets: bucketsFor(imageSizes.subarray(0, 2 * images), image),
  }
}

/** All tensors of the metadata. */
export function tensorsOfMetadata(metadata: AttentionMetadata): Tensor[] {
  const { spans, text, pixelRows: _rows, images: _images, sizeBuckets, ...tensors } = metadata
  return [
    ...Object.values({ ...spans }),
    ...(text ? [text.rows] : []),
    ...Object.values(tensors),
    ...tensorsOfBuckets(sizeBuckets),
  ]
}
