import type { Features } from './features.js'

/** Feature vectors with the class of each. */
export interface LabelledFeatures {
  /** `[N, width]`. */
  readonly features: Features
  /** `[N]`, from 0. */
  readonly labels: ArrayLike<number>
}

/**
 * How much images of one class differ from each other, relative to real ones: 1 for images as diverse as the real
 * ones, 0 where all images of a class are the same. It is the mean Euclidean distance between two vectors of a class,
 * averaged over the classes of which `generated` has two or more images, over the same for `real` (our choice).
 * @throws RangeError where no class has two images in both sets
 */
export const diversity = (generated: LabelledFeatures, real: LabelledFeatures): number =>
  diversityOf(distancesWithin(generated), distancesWithin(real))

/** The mean Euclidean distance between two vectors of a class, for each class that has two or more. */
export function distancesWithin({ features, labels }: LabelledFeatures): Map<number, number> {
  const several = [...rowsByClass(labels)].filter(([, rows]) => rows.length >= 2)
  return new Map(several.map(([label, rows]) => [label, meanDistance(features, rows)]))
}

/** The diversity of sets with these distances within their classes. */
export function diversityOf(
  generated: ReadonlyMap<number, number>,
  real: ReadonlyMap<number, number>,
): number {
  const shared = [...generated.keys()].filter((label) => real.has(label))
  const total = (distances: ReadonlyMap<number, number>) =>
    shared.reduce((sum, label) => sum + distances.get(label)!, 0)
  const realDistance = total(real)
  if (realDistance === 0)
    throw new RangeError(
      'diversity: generated and real must share a class of two different images or more, received none',
    )
  return total(generated) / realDistance
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
