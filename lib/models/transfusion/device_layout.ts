import type { AttentionSpans } from '../../ops/attention.js'
import type { Layout } from '../../sequence/layout.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'

/** A layout (sequence/layout.ts) on the device. */
export interface DeviceLayout {
  ids: Tensor
  spans: AttentionSpans
  /** [T, 3] f32 */
  positions: Tensor
  patchRows: Tensor
  patchImage: Tensor
  /** [P] f32 each */
  patchRow: Tensor
  patchColumn: Tensor
  imageSizes: Tensor
  imageRows: Tensor
  /** Pixels of all images. */
  pixelRows: number
  images: number
}

/** Uploads a layout; the tensors belong to the open scope. */
export function uploadLayout(layout: Layout & { queryRows: Int32Array; keyRows: Int32Array }): DeviceLayout {
  const { patchPositions, imageRows } = layout
  const patches = layout.patchRows.length
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
    patchRow: fromArray(Float32Array.from({ length: patches }, (_, i) => patchPositions[2 * i]!)),
    patchColumn: fromArray(Float32Array.from({ length: patches }, (_, i) => patchPositions[2 * i + 1]!)),
    imageSizes: fromArray(layout.imageSizes, [images, 2]),
    imageRows: fromArray(imageRows),
    pixelRows: imageRows.at(-1)!,
    images,
  }
}
