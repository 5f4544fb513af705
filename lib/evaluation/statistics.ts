/**
 * Statistics of feature vectors in float64, each in a thread of its own: eigenvalues, and sums over all pairs of
 * vectors, would hold up JavaScript's for up to a second. Each rejects with what the function of its name throws.
 */
import { checkArguments } from '../arguments.js'
import { runInWorker } from '../worker.js'
import type { LabelledFeatures } from './diversity.js'
import type { Features } from './features.js'
import type { ImageEvidence } from './figures.js'
import type { Statistics } from './statistics_worker.js'

/** Fréchet distance between two sets of vectors; see frechet.ts. */
export async function frechetDistance(a: Features, b: Features) {
  checkArguments('frechetDistance', { a: [a, 'features'], b: [b, 'features'] })
  return run('frechetDistance', a, b)
}

/** Kernel distance (KID) between two sets of vectors; see kid.ts. */
export async function kernelDistance(a: Features, b: Features) {
  checkArguments('kernelDistance', { a: [a, 'features'], b: [b, 'features'] })
  return run('kernelDistance', a, b)
}

/** How much vectors of one class differ, relative to real ones; see diversity.ts. */
export async function diversity(drawn: LabelledFeatures, real: LabelledFeatures) {
  checkArguments('diversity', { drawn: [drawn, 'labelledFeatures'], real: [real, 'labelledFeatures'] })
  return run('diversity', drawn, real)
}

/** All figures of drawn images; see figures.ts. */
export async function imageFigures(evidence: ImageEvidence) {
  checkArguments('imageFigures', { evidence: [evidence, 'evidence'] })
  return run('imageFigures', evidence)
}

/** How much figures would move with other images of the same model; see standard_errors.ts. */
export const standardErrors = (evidence: ImageEvidence) => run('standardErrors', evidence)

function run<Name extends keyof Statistics>(name: Name, ...args: Parameters<Statistics[Name]>) {
  const module = new URL('./statistics_worker.js', import.meta.url)
  return runInWorker<ReturnType<Statistics[Name]>>(module, { name, args })
}
