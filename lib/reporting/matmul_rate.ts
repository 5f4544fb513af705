import type { ComputeType } from '../nn/arena.js'
import { matmul } from '../ops/matmul.js'
import { fence } from '../tensor/device.js'
import { keep } from '../tensor/scope.js'
import { full } from '../tensor/tensor.js'

const size = 1024
const seconds = 0.3

/**
 * The machine's rate of matrix products in floating-point operations per second, as this process reaches it: the best
 * of repeated products of two matrices of 1024 x 1024, for 0.3 s. It is what a training step's rate is compared with.
 */
export async function measureMatmulRate(dtype: ComputeType): Promise<number> {
  const a = keep(full([size, size], 1, dtype))
  const b = keep(full([size, size], 1, dtype))
  // The first product prepares the kernel.
  keep(matmul(a, b, { transposeB: true })).free()
  await fence()
  let best = Infinity
  const started = performance.now()
  do {
    const before = performance.now()
    keep(matmul(a, b, { transposeB: true })).free()
    await fence()
    best = Math.min(best, performance.now() - before)
  } while (performance.now() - started < seconds * 1000)
  a.free()
  b.free()
  return (2 * size ** 3) / (best / 1000)
}
