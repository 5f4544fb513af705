import { countOf, type Features } from './features.js'

/**
 * For each query, the share of the other candidates that are farther from it than the right one, by Euclidean distance
 * of their features: 1 where the right one is the nearest, 1/2 by chance. Candidates as near as the right one do not count
 * as farther. `right` has the row of each query's right candidate.
 */
export function sharesFarther(queries: Features, candidates: Features, right: ArrayLike<number>): number[] {
  const count = countOf(candidates)
  return Array.from(right, (rightRow, query) => {
    const limit = squaredDistance(queries, query, candidates, rightRow)
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
