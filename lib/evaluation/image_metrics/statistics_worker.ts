/** The program of the thread that statistics.ts starts: computes what its name says and posts it. */
import { parentPort, workerData } from 'node:worker_threads'
import { diversity } from './diversity.js'
import type { Features } from './features.js'
import { imageMetrics } from './image_metrics.js'
import { frechetDistance, momentsOf } from './frechet.js'
import { kernelDistance } from './kid.js'
import { precisionRecall } from './precision_recall.js'
import { standardErrors } from './standard_errors.js'

const statistics = {
  diversity,
  frechetDistance: (a: Features, b: Features) => frechetDistance(momentsOf(a), momentsOf(b)),
  imageMetrics,
  kernelDistance,
  precisionRecall,
  standardErrors,
}

export type Statistics = typeof statistics

const { name, args } = workerData as { name: keyof Statistics; args: never[] }
const compute = statistics[name] as (...args: never[]) => unknown
parentPort!.postMessage(compute(...args))
