// How long a training step would take on a GPU, from counts alone: products and attention at the rate that their main
// loop's instructions allow, everything else at the memory's bandwidth; and what of that kernels of their kind have reached.

/** The share of an H100's tensor cores that mma.sync reaches; wgmma has the rest (arXiv 2501.12084). */
const hopperMma = 0.63

/**
 * What FlashAttention 2 (arXiv 2307.08691) reaches of mma.sync's rate, taken as what our kernels reach of what their instructions
 * allow. A100: "up to 73% of the theoretical max throughput in the forward pass, and up to 63% of the theoretical max throughput
 * in the backward pass" (section 1), of long sequences without a mask; its tiles, too, leave shared memory time for nearly all of
 * the rate. H100: up to 335 TFLOP/s in both passes together (section 4.1), where shared memory holds it back as it does ours: a
 * low estimate.
 */
const flashOnAmpere = { attention: 0.73, attention_backward: 0.63 }
const flashOnHopper = { attention: 335 / 989 / hopperMma, attention_backward: 335 / 989 / hopperMma }

/**
 * Dense bf16 FLOP/s, bytes/s, and shares of the tensor cores' rate: `mma`, that mma.sync reaches, and `library`, that cuBLAS
 * reaches in large products (A100: 272 TFLOP/s, yencal.github.io/gpu-hgemm-wmma; H100: 716-795, pranjalssh/fast.cu; H200:
 * 769-798, measured once). `achieved`: of what attention's instructions allow.
 */
export const gpus = {
  A100: {
    architecture: 80,
    multiprocessors: 108,
    flops: 312e12,
    bandwidth: 2.0e12,
    mma: 1,
    library: 0.87,
    achieved: flashOnAmpere,
  },
  H100: {
    architecture: 90,
    multiprocessors: 132,
    flops: 989e12,
    bandwidth: 3.35e12,
    mma: hopperMma,
    library: 0.76,
    achieved: flashOnHopper,
  },
  H200: {
    architecture: 90,
    multiprocessors: 132,
    flops: 989e12,
    bandwidth: 4.8e12,
    mma: hopperMma,
    library: 0.79,
    achieved: flashOnHopper,
  },
}

/** Of the memory's bandwidth, for kernels that are limited by it: an assumption, and the target. */
export const bandwidthShare = 0.8

/**
 * What products of mma.sync reach of what their instructions allow: 95% of cuBLAS (DefTruth/CUDA-Learn-Notes, hgemm), which is
 * 87% of an A100's rate.
 */
export const achievedByProducts = 0.95 * 0.87

/**
 * Between two kernels of a stream that are launched without waiting (NVIDIA's "Getting Started with CUDA Graphs": "3.8us (vs 2.9us
 * kernel execution time)"; in a graph 3.4).
 */
const launchGap = 0.9e-6

/** Multiplications and additions of a product from which on cuBLASLt is taken (cuda/matmul/product_ways.cc). */
const largeProduct = 2 ** 31

/** Cycles between two m16n8k16 of a scheduler, at the most that mma.sync reaches. */
const tensorCycles = { 80: 8, 90: 4 / hopperMma }
/** Cycles that the shared memory of a multiprocessor, of 128 bytes each, needs for 16 bytes a lane. */
const wideCycles = 4

/**
 * The share of mma.sync's rate that a loop can reach at most: a scheduler issues one instruction a cycle, and the four
 * of a multiprocessor share its shared memory. Latencies are taken as hidden.
 */
export function issueShare(loop, architecture) {
  const { all, tensor, matrixLoad, asyncCopy, wideCopy, sharedLoad, sharedStore, wideShared } = loop
  const needed = tensor * tensorCycles[architecture]
  const wide = matrixLoad + wideCopy + wideShared
  const narrow = asyncCopy - wideCopy + sharedLoad + sharedStore - wideShared
  const shared = 4 * (wide * wideCycles + narrow)
  return Math.min(1, needed / all, needed / shared)
}

/** The share of multiprocessors that have a block, over rounds of one block each. */
export const waveShare = (blocks, { multiprocessors }) =>
  blocks / (Math.ceil(blocks / multiprocessors) * multiprocessors)

/**
 * Ways of predicting: `limit`, what nothing can exceed; `own`, what kernels of their kind have reached; `library`, the same
 * with cuBLASLt for large products.
 */
export const ways = ['limit', 'own', 'library']

/** The rate of a product, of the GPU's; `shareOf`: what the kernel's instructions allow. */
export function productRate({ kernel, blocks, flops }, gpu, way, shareOf) {
  const whole = !/words|elements|skinny/.test(kernel)
  if (way === 'library' && whole && flops >= largeProduct) return gpu.library
  const allowed = gpu.mma * shareOf(kernel)
  return way === 'limit' ? allowed : allowed * achievedByProducts * waveShare(blocks, gpu)
}

/**
 * Seconds of each kernel in a step, and of the whole. `shareOf(kernel)`: of mma.sync's rate, what its instructions allow;
 * `attention[name]`: the same, of products that are counted.
 */
export function predict({ kernels, flops, on }, gpu, way, shareOf, attention) {
  const { products, launches } = on[gpu.multiprocessors]
  const arithmetic = (name, work) => {
    if (name in attention)
      return work.flops / (gpu.flops * gpu.mma * attention[name] * (way === 'limit' ? 1 : gpu.achieved[name]))
    return products
      .filter((product) => product.name === name)
      .reduce(
        (sum, product) =>
          sum + (product.flops * product.calls) / (gpu.flops * productRate(product, gpu, way, shareOf)),
        0,
      )
  }
  const seconds = Object.entries(kernels).map(([name, work]) => {
    const memory =
      (work.bytesRead + work.bytesWritten) / (gpu.bandwidth * (way === 'limit' ? 1 : bandwidthShare))
    const computing = arithmetic(name, work)
    return {
      name,
      seconds: Math.max(memory, computing),
      limit: memory > computing ? 'memory' : 'products',
    }
  })
  if (way !== 'limit') seconds.push({ name: 'gaps', seconds: launches * launchGap, limit: 'launches' })
  const total = seconds.reduce((sum, kernel) => sum + kernel.seconds, 0)
  return {
    kernels: seconds.toSorted((a, b) => b.seconds - a.seconds),
    seconds: total,
    utilisation: flops / (total * gpu.flops),
  }
}
