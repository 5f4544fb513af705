// How long a training step would take on a GPU, from counts alone: products and attention at the rate that their main
// loop's instructions allow, everything else at a share of the memory's bandwidth.

/** The share of an H100's tensor cores that mma.sync reaches; wgmma has the rest (arXiv 2501.12084). */
const hopperMma = 0.63

/** Dense bf16 FLOP/s, bytes/s, and the share of the tensor cores' rate that mma.sync reaches. */
export const gpus = {
  A100: { architecture: 80, multiprocessors: 108, flops: 312e12, bandwidth: 2.0e12, mma: 1 },
  H100: { architecture: 90, multiprocessors: 132, flops: 989e12, bandwidth: 3.35e12, mma: hopperMma },
  H200: { architecture: 90, multiprocessors: 132, flops: 989e12, bandwidth: 4.8e12, mma: hopperMma },
}

/** Of the memory's bandwidth, for kernels that are limited by it. */
export const bandwidthShare = 0.8

/** Cycles between two m16n8k16 of a scheduler, at the most that mma.sync reaches. */
const tensorCycles = { 80: 8, 90: 4 / hopperMma }
/** Cycles that the shared memory of a multiprocessor, 128 bytes each, needs for ldmatrix.x4; its four schedulers share it. */
const matrixLoadCycles = 4

/**
 * The share of mma.sync's rate that a loop can reach at most: a scheduler issues one instruction a cycle, and the four
 * of a multiprocessor share its shared memory. Latencies are taken as hidden.
 */
export function issueShare({ all, tensor, matrixLoad, sharedLoad }, architecture) {
  const needed = tensor * tensorCycles[architecture]
  const shared = 4 * (matrixLoad * matrixLoadCycles + sharedLoad)
  return Math.min(1, needed / all, needed / shared)
}

/** Seconds of each kernel in a step, and of the whole; `shares`: of mma.sync's rate, by the kernel's name. */
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
