import { checkArguments } from '../arguments.js'
import type { AttentionSpans } from '../ops/attention.js'
import type { Layout } from '../sequence/layout.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'
import { groupImages, type ImageGroups, tensorsOfGroups } from './image_groups.js'

/** Where the tokens and patches of one call stand, and which keys they see: a `Layout` (sequence/layout.ts) on the device. */
export interface AttentionMetadata {
  /** `[T]` i32: token ids, -1 at patches. */
  ids: Tensor
  /** Which keys each position sees. */
  spans: AttentionSpans
  /** `[T, 3]` f32: rotary positions along sequence, row and column. */
  positions: Tensor
  /** `[P]` i32: row of each patch in the sequence. */
  patchRows: Tensor
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
  imageGroups: ImageGroups
  /** S, the pixels of all images. */
  pixelRows: number
  /** N. */
  images: number
}

/** What a model's attention metadata depends on. */
export interface MetadataImages {
  /** In pixels. */
  patch: number
  /** Present where a U-Net reads the images. */
  unet?: object | undefined
}

/** Uploads a layout for a model of such images; the open scope owns the tensors. */
export function uploadAttentionMetadata(
  layout: Layout & { queryRows: Int32Array; keyRows: Int32Array },
  image: MetadataImages,
): AttentionMetadata {
  checkArguments('uploadAttentionMetadata', { layout: [layout, 'layout'], image: [image, 'object'] })
  const { patchPositions, imageRows } = layout
  const images = imageRows.length - 1
  return {
    ids: fromArray(layout.ids),
    spans: {
      keyStart: fromArray(layout.keyStart),
      keyEnd: fromArray(layout.keyEnd),
      queryRows: fromArray(layout.queryRows),
      keyRows: fromArray(layout.keyRows),
    },
    positions: fromArray(layout.positions, [layout.ids.length, 3]),
    patchRows: fromArray(layout.patchRows),
    patchImage: fromArray(layout.patchImage),
    patchRow: fromArray(everySecond(patchPositions, 0)),
    patchColumn: fromArray(everySecond(patchPositions, 1)),
    imageSizes: fromArray(layout.imageSizes, [images, 2]),
    imageRows: fromArray(imageRows),
    imageGroups: groupsFor(layout.imageSizes, image),
    pixelRows: imageRows.at(-1)!,
    images,
  }
}

function everySecond(pairs: ArrayLike<number>, first: 0 | 1): Float32Array {
  const values = new Float32Array(pairs.length / 2)
  for (let i = 0; i < values.length; i++) values[i] = pairs[2 * i + first]!
  return values
}

const groupsFor = (imageSizes: Int32Array, { patch, unet }: MetadataImages): ImageGroups =>
  unet ? groupImages(imageSizes, patch) : { list: [], order: undefined }

/** The metadata of the first `images` images alone, as a network's `imagePrediction` takes it. */
export function firstImages(
  metadata: AttentionMetadata,
  { imageSizes, patchImage }: Layout,
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
    imageGroups: groupsFor(imageSizes.subarray(0, 2 * images), image),
  }
}

/** All tensors of the metadata. */
export function tensorsOfMetadata(metadata: AttentionMetadata): Tensor[] {
  const { spans, pixelRows: _rows, images: _images, imageGroups, ...tensors } = metadata
  return [...Object.values({ ...spans }), ...Object.values(tensors), ...tensorsOfGroups(imageGroups)]
}
