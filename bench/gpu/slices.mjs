// The slices of `npm run check:gpu`, in the order in which `all` runs them: whether everything is right, then how fast.
import { countBeside } from './counters.mjs'
import { checkKernels, timeAttention, timeMemory, timeProducts, timeWays } from './kernels.mjs'
import { sanitize } from './sanitizer.mjs'

/**
 * By name: `run(context)` writes its results into the context's folder and resolves with what went wrong, '' if nothing did;
 * `needsPackage`: runs through Node, and so on build/Release and dist/.
 */
export const slices = {
  kernels: { title: 'kernels against float64 references', run: checkKernels },
  agreement: {
    title: 'training and sampling as on the CPU',
    needsPackage: true,
    run: async (context) => (await import('./agreement.mjs')).compareDevices(context),
  },
  step: {
    title: 'training steps',
    needsPackage: true,
    run: async (context) => (await import('./step.mjs')).measureSteps(context),
  },
  products: { title: 'matrix products', run: timeProducts },
  tune: { title: 'the ways of each product: our tiles, and cuBLASLt', run: timeWays },
  attention: { title: 'attention', run: timeAttention },
  sampling: {
    title: 'sampling',
    needsPackage: true,
    run: async (context) => (await import('./sampling.mjs')).measureSampling(context),
  },
  memory: { title: "kernels that memory's bandwidth bounds", run: timeMemory },
  sanitizer: { title: 'compute-sanitizer', run: sanitize },
  counters: { title: 'counters of Nsight Compute and of the simulator', run: countBeside },
}
