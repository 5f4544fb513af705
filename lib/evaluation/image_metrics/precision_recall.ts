import { countOf, type Features } from './features.js'
import { squaredDistance } from './retrieval.js'

/** How far generated images look real, and how much of the real images' variety they have; both from 0 to 1. */
export interface PrecisionRecall {
  /** Share of the generated images within the manifold of the real ones. */
  readonly precision: number
  /** Share of the real images within the manifold of the generated ones. */
  readonly recall: number
}

/**
 * Precision and recall of generated feature vectors (Kynkäänniemi et al., "Improved Precision and Recall Metric for
 * Assessing Generative Models", 2019). The manifold of a set is the union of balls around its vectors, each as large as
 * the distance to its `neighbours`-th nearest other vector. Computed in float64 in (N + M)^2 time.
 * @throws RangeError for sets of different width, `neighbours` that is no positive integer, or sets of no more vectors
 *   than `neighbours`
 */
export function precisionRecall(generated: Features, real: Features, neighbours = 3): PrecisionRecall {
  if (!Number.isSafeInteger(neighbours) || neighbours < 1)
    throw new RangeError(
      `precisionRecall: neighbours must be an integer of 1 or more, received ${neighbours}`,
    )
  const [n, m] = [countOf(generated), countOf(real)]
  if (generated.width !== real.width || Math.min(n, m) <= neighbours)
    throw new RangeError(
      `precisionRecall: generated and real must have more than ${neighbours} vectors and the same width, received ` +
        `[${n}, ${generated.width}] and [${m}, ${real.width}]`,
    )
  return {
    precision: shareWithin(generated, real, neighbours),
    recall: shareWithin(real, generated, neighbours),
  }
}

/** Share of `queries` that lie within a ball of `set`, its surface included. */
function shareWithin(queries: Features, set: Features, neighbours: number): number {
  const squaredRadii = Float64Array.from({ length: countOf(set) }, (_, row) =>
    squaredRadius(set, row, neighbours),
  )
  let within = 0
  for (let query = 0; query < countOf(queries); query++)
    within += Number(squaredRadii.some((limit, row) => squaredDistance(queries, query, set, row) <= limit))
  return within / countOf(queries)
}

/** Squared distance of a vector to its `neighbours`-th nearest other one. */
function squaredRadius(set: Features, row: number, neighbours: number): number {
  const squares = Float64Array.from({ length: countOf(set) }, (_, other) =>
    other === row ? Infinity : squaredDistance(set, row, set, other),
  )
  return squares.toSorted()[neighbours - 1]!
}
