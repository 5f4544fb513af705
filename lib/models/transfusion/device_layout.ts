import { checkArguments } from '../../arguments.js'
import type { AttentionSpans } from '../../ops/attention.js'
import type { Layout } from '../../sequence/layout.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import { groupImages, type ImageGroups, tensorsOfGroups } from './image_groups.js'

/** A layout (sequence/layout.ts) on the device. */
export interface DeviceLayout {
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
  /** For convolutions; of no images where nobody asked for them. */
  imageGroups: ImageGroups
  /** Pixels of all images. */
  pixelRows: number
  /** How many. */
  images: number
}

/** What of a model's images decides how a layout is uploaded. */
export interface LayoutImages {
  /** In pixels. */
  patch: number
  /** Present where convolutions read them. */
  unet?: object | undefined
}

/** Uploads a layout for a model of such images; the tensors belong to the open scope. */
export function uploadLayout(
  layout: Layout & { queryRows: Int32Array; keyRows: Int32Array },
  image: LayoutImages,
): DeviceLayout {
  checkArguments('uploadLayout', { layout: [layout, 'layout'], image: [image, 'object'] })
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

const groupsFor = (imageSizes: Int32Array, { patch, unet }: LayoutImages): ImageGroups =>
  unet ? groupImages(imageSizes, patch) : { list: [], order: undefined }

/** The first images alone, as they are drawn: what `TransfusionNetwork.imagePrediction` needs of a layout. */
export function firstImages(
  layout: DeviceLayout,
  { imageSizes, patchImage }: Layout,
  images: number,
  image: LayoutImages,
): DeviceLayout {
  if (images === layout.images) return layout
  const end = patchImage.findIndex((index) => index >= images)
  const patches = end < 0 ? patchImage.length : end
  return {
    ...layout,
    patchRows: layout.patchRows.view([patches]),
    imageSizes: layout.imageSizes.view([images, 2]),
    imageGroups: groupsFor(imageSizes.subarray(0, 2 * images), image),
  }
}

/** The tensors of a layout. */
export function tensorsOfLayout(layout: DeviceLayout): Tensor[] {
  const { spans, pixelRows: _rows, images: _images, imageGroups, ...tensors } = layout
  return [...Object.values({ ...spans }), ...Object.values(tensors), ...tensorsOfGroups(imageGroups)]
}
