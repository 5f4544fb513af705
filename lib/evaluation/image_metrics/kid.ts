import { countOf, type Features } from './features.js'
import { mean, variance } from './moments.js'

/** A kernel distance and how sure it is. */
export interface KernelDistance {
  /** Around 0 for two sets of one distribution, below it as often as above. */
  readonly kid: number
  /** Of `kid` as an estimate, to first order in 1 / N: too small where the two distributions hardly differ. */
  readonly standardError: number
}

/**
 * Kernel distance between two sets of feature vectors (Bińkowski et al., "Demystifying MMD GANs", 2018): the squared
 * maximum mean discrepancy for k(a, b) = (a.b / width + 1)^3, estimated without bias from all pairs. Computed in
 * float64 in N^2 time.
 * @throws RangeError for sets of different width or of fewer than two vectors
 */
export function kernelDistance(a: Features, b: Features): KernelDistance {
  const [n, m] = [countOf(a), countOf(b)]
  if (a.width !== b.width || n < 2 || m < 2)
    throw new RangeError(
      `kernelDistance: a and b must have two vectors or more and the same width, received [${n}, ${a.width}] ` +
        `and [${m}, ${b.width}]`,
    )
  const [acrossA, acrossB] = kernelSums(a, b)
  const witnessA = Array.from(kernelSumsWithin(a), (sum, i) => sum / (n - 1) - acrossA[i]! / m)
  const witnessB = Array.from(kernelSumsWithin(b), (sum, j) => sum / (m - 1) - acrossB[j]! / n)
  // A vector is in twice as many pairs as there are terms of its set.
  const squaredError = (4 * variance(witnessA)) / n + (4 * variance(witnessB)) / m
  return { kid: mean(witnessA) + mean(witnessB), standardError: Math.sqrt(squaredError) }
}

/** Of each vector, the sum of its kernels with all others of the set. */
function kernelSumsWithin(a: Features): Float64Array {
  const count = countOf(a)
  const sums = new Float64Array(count)
  for (let i = 1; i < count; i++)
    for (let j = 0; j < i; j++) {
      const value = kernel(a, i, a, j)
      sums[i]! += value
      sums[j]! += value
    }
  return sums
}

/** Of each vector of either set, the sum of its kernels with all of the other. */
function kernelSums(a: Features, b: Features): [Float64Array, Float64Array] {
  const sums: [Float64Array, Float64Array] = [new Float64Array(countOf(a)), new Float64Array(countOf(b))]
  for (let i = 0; i < sums[0].length; i++)
    for (let j = 0; j < sums[1].length; j++) {
      const value = kernel(a, i, b, j)
      sums[0][i]! += value
      sums[1][j]! += value
    }
  return sums
}

function kernel(a: Features, i: number, b: Features, j: number): number {
  const { width } = a
  let product = 0
  for (let k = 0; k < width; k++) product += a.data[i * width + k]! * b.data[j * width + k]!
  return (product / width + 1) ** 3
}
