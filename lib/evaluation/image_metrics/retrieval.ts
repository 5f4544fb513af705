import { countOf, type Features } from './features.js'

/**
 * For each query, the share of the other candidates that are farther from it than its target, by Euclidean distance of
 * their features: the area under the ROC curve of a retrieval with one relevant candidate, but that a tie counts as a miss.
 * 1 where the target is the nearest (found at rank 1), 1/2 by chance. `targets`: the row of each query's target in
 * `candidates`.
 */
export function retrievalAuc(queries: Features, candidates: Features, targets: ArrayLike<number>): number[] {
  const count = countOf(candidates)
  return Array.from(targets, (target, query) => {
    const limit = squaredDistance(queries, query, candidates, target)
    let farther = 0
    for (let row = 0; row < count; row++)
      farther += Number(squaredDistance(queries, query, candidates, row) > limit)
    return farther / (count - 1)
  })
}

/** Between a row of one set of vectors and a row of another. */
export function squaredDistance(a: Features, rowA: number, b: Features, rowB: number): number {
  const [startA, startB] = [rowA * a.width, rowB * b.width]
  let squares = 0
  for (let k = 0; k < a.width; k++) squares += (a.data[startA + k]! - b.data[startB + k]!) ** 2
  return squares
}
