/**
 * Statistics of feature vectors in float64, each in a worker thread: eigenvalues, and sums over all pairs of vectors,
 * would block the event loop for up to a second. Each rejects with what the function of its name throws.
 */
import { checkArguments } from '../../arguments.js'
import { runInWorker } from '../../worker.js'
import type { LabelledFeatures } from './diversity.js'
import type { Features } from './features.js'
import type { ImageMetricInputs } from './image_metrics.js'
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

/** Precision and recall of generated vectors, of the nearest 3 neighbours as published by default; see precision_recall.ts. */
export async function precisionRecall(generated: Features, real: Features, neighbours = 3) {
  checkArguments('precisionRecall', { generated: [generated, 'features'], real: [real, 'features'] })
  return run('precisionRecall', generated, real, neighbours)
}

/** How much vectors of one class differ, relative to real ones; see diversity.ts. */
export async function diversity(generated: LabelledFeatures, real: LabelledFeatures) {
  checkArguments('diversity', {
    generated: [generated, 'labelledFeatures'],
    real: [real, 'labelledFeatures'],
  })
  return run('diversity', generated, real)
}

/** All metrics of generated images; see image_metrics.ts. */
export async function imageMetrics(inputs: ImageMetricInputs) {
  checkArguments('imageMetrics', { inputs: [inputs, 'imageMetricInputs'] })
  return run('imageMetrics', inputs)
}

/** How much metrics would vary with other images of the same model; see standard_errors.ts. */
export const standardErrors = (inputs: ImageMetricInputs) => run('standardErrors', inputs)

function run<Name extends keyof Statistics>(name: Name, ...args: Parameters<Statistics[Name]>) {
  const module = new URL('./statistics_worker.js', import.meta.url)
  return runInWorker<ReturnType<Statistics[Name]>>(module, { name, args })
}
