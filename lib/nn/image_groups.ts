/** Images of equal size go through convolutions together, wherever they stand in the sequence. */
import type { AttentionSpans } from '../ops/attention.js'
import { concat } from '../ops/concat.js'
import { gatherRows } from '../ops/gather_rows.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'

/** n images of one size, in the order in which they stand among all. */
export interface ImageGroup {
  /** n. */
  readonly count: number
  /** In pixels. */
  readonly height: number
  /** In pixels. */
  readonly width: number
  /** `[n, 2]`: the size, once for each. */
  readonly sizes: Tensor
  /** Among the patches of an image each sees all, as n sequences. */
  readonly spans: AttentionSpans
  /** Which ones these are of all images, of their pixels and of their patches; absent where there are no others. */
  readonly members: { readonly images: Tensor; readonly pixels: Tensor; readonly patches: Tensor } | undefined
}

/** All images of a sequence. */
export interface ImageGroups {
  /** One for each size. */
  readonly list: readonly ImageGroup[]
  /** Where each pixel and each patch lies when the groups' are put in a row; absent where there is one group alone. */
  readonly order: { readonly pixels: Tensor; readonly patches: Tensor } | undefined
}

/** Sorts images by size: imageSizes [N, 2] in pixels. What it uploads belongs to the open scope. */
export function groupImages(imageSizes: Int32Array, patch: number): ImageGroups {
  const bySize = new Map<string, Member[]>()
  const next = { pixels: 0, patches: 0 }
  for (let index = 0; index < imageSizes.length / 2; index++) {
    const [height, width] = imageSizes.subarray(2 * index, 2 * index + 2) as unknown as [number, number]
    const pixels = { first: next.pixels, count: height * width }
    const patches = { first: next.patches, count: pixels.count / patch ** 2 }
    next.pixels += pixels.count
    next.patches += patches.count
    const key = `${height} x ${width}`
    bySize.set(key, [...(bySize.get(key) ?? []), { index, height, width, pixels, patches }])
  }
  const groups = [...bySize.values()]
  const alone = groups.length <= 1
  const inRow = (what: 'pixels' | 'patches') => placesOf(groups.flat().map((member) => member[what]))
  return {
    list: groups.map((members) => groupOf(members, alone)),
    order: alone
      ? undefined
      : {
          pixels: fromArray(inverse(inRow('pixels'))),
          patches: fromArray(inverse(inRow('patches'))),
        },
  }
}

/** The rows of one group's images, of rows [S or P, ...] of all images. */
export const rowsOfGroup = (
  rows: Tensor,
  group: ImageGroup,
  what: 'pixels' | 'patches' | 'images',
): Tensor => (group.members ? gatherRows(rows, group.members[what]) : rows)

/** The rows of all images, in their order, from those of each group. */
export function joinGroups(rows: readonly Tensor[], groups: ImageGroups, what: 'pixels' | 'patches'): Tensor {
  return groups.order ? gatherRows(concat(rows, 0), groups.order[what]) : rows[0]!
}

/** The tensors of groups. */
export const tensorsOfGroups = ({ list, order }: ImageGroups): Tensor[] => [
  ...list.flatMap(({ sizes, spans, members }) => [
    sizes,
    ...Object.values({ ...spans }),
    ...Object.values(members ?? {}),
  ]),
  ...Object.values(order ?? {}),
]

interface Rows {
  first: number
  count: number
}

interface Member {
  index: number
  height: number
  width: number
  pixels: Rows
  patches: Rows
}

function groupOf(members: readonly Member[], alone: boolean): ImageGroup {
  const { height, width, patches } = members[0]!
  const count = members.length
  const positions = count * patches.count
  const begins = fromArray(Int32Array.from({ length: count + 1 }, (_, i) => i * patches.count))
  return {
    count,
    height,
    width,
    sizes: fromArray(
      Int32Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? height : width)),
      [count, 2],
    ),
    spans: {
      keyStart: fromArray(new Int32Array(positions)),
      keyEnd: fromArray(new Int32Array(positions).fill(patches.count)),
      queryRows: begins,
      keyRows: begins,
    },
    members: alone
      ? undefined
      : {
          images: fromArray(Int32Array.from(members, ({ index }) => index)),
          pixels: fromArray(placesOf(members.map(({ pixels }) => pixels))),
          patches: fromArray(placesOf(members.map(({ patches }) => patches))),
        },
  }
}

/** All rows, one after the other. */
function placesOf(ranges: readonly Rows[]): Int32Array {
  const places = new Int32Array(ranges.reduce((sum, { count }) => sum + count, 0))
  let filled = 0
  for (const { first, count } of ranges)
    for (let row = first; row < first + count; row++) places[filled++] = row
  return places
}

function inverse(places: Int32Array): Int32Array {
  const result = new Int32Array(places.length)
  places.forEach((place, i) => (result[place] = i))
  return result
}
