/** Images of one size go through convolutions as one batch, wherever they stand in their sequences: size buckets. */
import type { AttentionSpans } from '../ops/attention.js'
import { concat } from '../ops/concat.js'
import { gatherRows } from '../ops/gather_rows.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'

/** The n images of one size, in their order among all images. */
export interface SizeBucket {
  /** n. */
  readonly count: number
  /** In positions of the model's images: pixels, or positions of a latent. */
  readonly height: number
  /** As height. */
  readonly width: number
  /** `[n, 2]` i32: height and width of each. */
  readonly sizes: Tensor
  /** The patches of each image as a sequence in which all attend to all: n sequences. */
  readonly spans: AttentionSpans
  /** Rows of the bucket's images, pixels and patches among those of all images; undefined for the only bucket. */
  readonly members: { readonly images: Tensor; readonly pixels: Tensor; readonly patches: Tensor } | undefined
}

/** All images of a call by their size. */
export interface SizeBuckets {
  /** One for each size, in the order in which sizes first occur. */
  readonly list: readonly SizeBucket[]
  /** For each pixel and each patch its row in the buckets' concatenated outputs; undefined for one bucket. */
  readonly order: { readonly pixels: Tensor; readonly patches: Tensor } | undefined
}

/** The buckets of images of sizes `imageSizes` [N, 2]. The open scope owns the tensors that it uploads. */
export function bucketImages(imageSizes: Int32Array, patch: number): SizeBuckets {
  const bySize = new Map<string, Member[]>()
  const next = { pixels: 0, patches: 0 }
  for (let index = 0; index < imageSizes.length / 2; index++) {
    const height = imageSizes[2 * index]!
    const width = imageSizes[2 * index + 1]!
    const pixels = { first: next.pixels, count: height * width }
    const patches = { first: next.patches, count: pixels.count / patch ** 2 }
    next.pixels += pixels.count
    next.patches += patches.count
    const key = `${height} x ${width}`
    bySize.set(key, [...(bySize.get(key) ?? []), { index, height, width, pixels, patches }])
  }
  const buckets = [...bySize.values()]
  const isOnly = buckets.length <= 1
  const bucketOrder = (what: 'pixels' | 'patches') => rowsIn(buckets.flat().map((member) => member[what]))
  return {
    list: buckets.map((members) => bucketOf(members, isOnly)),
    order: isOnly
      ? undefined
      : {
          pixels: fromArray(inverse(bucketOrder('pixels'))),
          patches: fromArray(inverse(bucketOrder('patches'))),
        },
  }
}

/** The rows of a bucket's images, out of rows [S, P or N, ...] of all images. */
export const rowsOfBucket = (
  rows: Tensor,
  bucket: SizeBucket,
  what: 'pixels' | 'patches' | 'images',
): Tensor => (bucket.members ? gatherRows(rows, bucket.members[what]) : rows)

/** The rows of all images in their own order, out of the rows of each bucket. */
export function joinBuckets(
  rows: readonly Tensor[],
  buckets: SizeBuckets,
  what: 'pixels' | 'patches',
): Tensor {
  return buckets.order ? gatherRows(concat(rows, 0), buckets.order[what]) : rows[0]!
}

/** The tensors of buckets, which are kept or freed together. */
export const tensorsOfBuckets = ({ list, order }: SizeBuckets): Tensor[] => [
  ...list.flatMap(({ sizes, spans, members }) => [
    sizes,
    ...Object.values({ ...spans }),
    ...Object.values(members ?? {}),
  ]),
  ...Object.values(order ?? {}),
]

interface RowRange {
  first: number
  count: number
}

interface Member {
  /** Among all images. */
  index: number
  height: number
  width: number
  pixels: RowRange
  patches: RowRange
}

function bucketOf(members: readonly Member[], isOnly: boolean): SizeBucket {
  const { height, width, patches } = members[0]!
  const count = members.length
  return {
    count,
    height,
    width,
    sizes: fromArray(
      Int32Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? height : width)),
      [count, 2],
    ),
    spans: imageSpans(count, patches.count),
    members: isOnly
      ? undefined
      : {
          images: fromArray(Int32Array.from(members, ({ index }) => index)),
          pixels: fromArray(rowsIn(members.map(({ pixels }) => pixels))),
          patches: fromArray(rowsIn(members.map(({ patches }) => patches))),
        },
  }
}

/** Each of `images` as a sequence of `positions` in which all see all. The open scope owns the tensors. */
export function imageSpans(images: number, positions: number): AttentionSpans {
  const starts = fromArray(Int32Array.from({ length: images + 1 }, (_, i) => i * positions))
  return {
    keyStart: fromArray(new Int32Array(images * positions)),
    keyEnd: fromArray(new Int32Array(images * positions).fill(positions)),
    queryRows: starts,
    keyRows: starts,
  }
}

/** The rows of ranges, one range after the other. */
function rowsIn(ranges: readonly RowRange[]): Int32Array {
  const rows = new Int32Array(ranges.reduce((sum, { count }) => sum + count, 0))
  let filled = 0
  for (const { first, count } of ranges)
    for (let row = first; row < first + count; row++) rows[filled++] = row
  return rows
}

function inverse(permutation: Int32Array): Int32Array {
  const result = new Int32Array(permutation.length)
  permutation.forEach((row, i) => (result[row] = i))
  return result
}
