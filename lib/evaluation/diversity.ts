import type { Features } from './features.js'

/** Feature vectors with the class of each: labels [N]. */
export interface LabelledFeatures {
  readonly features: Features
  readonly labels: ArrayLike<number>
}

/**
 * How much images of one class differ from each other, relative to real ones: 1 for images as diverse as the real
 * ones, 0 where each class is always drawn the same. It is the mean Euclidean distance between two vectors of a
 * class, averaged over the classes of which `drawn` has two or more images, over the same for `real` (our choice).
 * @throws RangeError where no class has two images in both sets
 */
export function diversity(drawn: LabelledFeatures, real: LabelledFeatures): number {
  const drawnRows = rowsByClass(drawn.labels)
  const realRows = rowsByClass(real.labels)
  let drawnDistance = 0
  let realDistance = 0
  for (const [label, rows] of drawnRows) {
    const others = realRows.get(label) ?? []
    if (rows.length < 2 || others.length < 2) continue
    drawnDistance += meanDistance(drawn.features, rows)
    realDistance += meanDistance(real.features, others)
  }
  if (realDistance === 0) throw new RangeError('diversity: no class has two different images in both sets')
  return drawnDistance / realDistance
}

function rowsByClass(labels: ArrayLike<number>): Map<number, number[]> {
  const rows = new Map<number, number[]>()
  Array.from(labels).forEach((label, row) => {
    const of = rows.get(label)
    if (of) of.push(row)
    else rows.set(label, [row])
  })
  return rows
}

/** Over all pairs of the given rows. */
function meanDistance({ data, width }: Features, rows: readonly number[]): number {
  let total = 0
  for (let i = 1; i < rows.length; i++)
    for (let j = 0; j < i; j++) {
      const a = rows[i]! * width
      const b = rows[j]! * width
      let squares = 0
      for (let k = 0; k < width; k++) {
        const difference = data[a + k]! - data[b + k]!
        squares += difference * difference
      }
      total += Math.sqrt(squares)
    }
  return total / ((rows.length * (rows.length - 1)) / 2)
}
