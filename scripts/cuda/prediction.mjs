// How long a training step would take on a GPU, from counts alone: products and attention at the rate that their main
// loop's instructions allow, everything else at a share of the memory's bandwidth.

/** Dense bf16 FLOP/s, bytes/s, and the share of the tensor cores' rate that mma.sync reaches (arXiv 2501.12084). */
export const gpus = {
  A100: { architecture: 80, flops: 312e12, bandwidth: 2.0e12, mma: 1 },
  H100: { architecture: 90, flops: 989e12, bandwidth: 3.35e12, mma: 0.63 },
  H200: { architecture: 90, flops: 989e12, bandwidth: 4.8e12, mma: 0.63 },
}

/** Of the memory's bandwidth, for kernels that are limited by it. */
export const bandwidthShare = 0.8

/** Cycles that a scheduler's tensor core needs for one m16n8k16 at its full rate. */
const tensorCycles = { 80: 8, 86: 16, 89: 16, 90: 4, 100: 4, 120: 16 }
/** Cycles that the shared memory of a multiprocessor, 128 bytes each, needs for ldmatrix.x4; its four schedulers share it. */
const matrixLoadCycles = 4

/**
 * The share of the tensor cores' rate that a loop can reach at most: a scheduler issues one instruction a cycle, and the four
 * of a multiprocessor share its shared memory. Latencies are taken as hidden.
 */
export function issueShare({ all, tensor, matrixLoad, sharedLoad }, architecture) {
  const needed = tensor * tensorCycles[architecture]
  const shared = 4 * (matrixLoad * matrixLoadCycles + sharedLoad)
  return Math.min(1, needed / all, needed / shared)
}

/** Seconds of each kernel in a step, and of the whole; `shares`: of the tensor cores' rate, by the kernel's name. */
export function predict({ kernels, flops }, gpu, shares) {
  const { flops: peak, bandwidth, mma } = gpus[gpu]
  const seconds = Object.entries(kernels).map(([name, work]) => {
    const memory = (work.bytesRead + work.bytesWritten) / (bandwidth * bandwidthShare)
    const arithmetic = work.flops / (peak * mma * (shares[name] ?? 1))
    return { name, seconds: Math.max(memory, arithmetic), limit: memory > arithmetic ? 'memory' : 'products' }
  })
  const total = seconds.reduce((sum, kernel) => sum + kernel.seconds, 0)
  return {
    kernels: seconds.toSorted((a, b) => b.seconds - a.seconds),
    seconds: total,
    utilisation: flops / (total * peak),
  }
}
