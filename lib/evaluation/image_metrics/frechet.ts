import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { countOf, type Features } from './features.js'

/** The normal distribution fitted to a set of feature vectors. */
export interface Moments {
  readonly mean: Float64Array
  /** Unbiased: divided by N - 1. */
  readonly covariance: Matrix
}

/**
 * Mean and covariance of at least two vectors, in float64.
 * @throws RangeError for fewer than two vectors
 */
export function momentsOf(features: Features): Moments {
  const { data, width } = features
  const count = countOf(features)
  if (count < 2)
    throw new RangeError(
      `momentsOf: features must have two vectors or more, which a covariance needs, received ${count}`,
    )
  const mean = new Float64Array(width)
  for (let row = 0; row < data.length; row += width)
    for (let i = 0; i < width; i++) mean[i]! += data[row + i]!
  for (let i = 0; i < width; i++) mean[i]! /= count

  const products = new Float64Array(width * width)
  const centred = new Float64Array(width)
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < width; i++) centred[i] = data[row * width + i]! - mean[i]!
    for (let i = 0; i < width; i++) {
      const value = centred[i]!
      for (let j = i; j < width; j++) products[i * width + j]! += value * centred[j]!
    }
  }
  const covariance = Matrix.zeros(width, width)
  for (let i = 0; i < width; i++)
    for (let j = i; j < width; j++) {
      const value = products[i * width + j]! / (count - 1)
      covariance.set(i, j, value)
      covariance.set(j, i, value)
    }
  return { mean, covariance }
}

/**
 * Fréchet distance between two normal distributions (Heusel et al., "GANs trained by a two time-scale update rule",
 * 2017; squared, as FID is): |m1 - m2|^2 + Tr(S1 + S2 - 2 sqrt(S1 S2)).
 */
export function frechetDistance(a: Moments, b: Moments): number {
  const means = a.mean.reduce((sum, value, i) => sum + (value - b.mean[i]!) ** 2, 0)
  return means + a.covariance.trace() + b.covariance.trace() - 2 * traceOfRoot(a.covariance, b.covariance)
}

/**
 * Tr sqrt(S1 S2). With S1 = R R', S1 S2 has the eigenvalues of R' S2 R, which is symmetric: no root of a general
 * matrix is needed, and sets with fewer vectors than features (singular covariances) are an ordinary case.
 */
function traceOfRoot(a: Matrix, b: Matrix): number {
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(a, { assumeSymmetric: true })
  const root = eigenvectorMatrix.mulRowVector(realEigenvalues.map((value) => Math.sqrt(Math.max(0, value))))
  const product = root.transpose().mmul(b).mmul(root)
  const eigenvalues = new EigenvalueDecomposition(product, { assumeSymmetric: true }).realEigenvalues
  return eigenvalues.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0)
}
