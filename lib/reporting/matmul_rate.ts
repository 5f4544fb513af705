import type { ComputeType } from '../nn/arena.js'
import { matmul } from '../ops/matmul.js'
import { type Device, fence } from '../tensor/device.js'
import { keep } from '../tensor/scope.js'
import { full } from '../tensor/tensor.js'

const size = 1024
const seconds = 0.3

/**
 * A device's rate of matrix products in floating-point operations per second, as this process reaches it: the best
 * of repeated products of two matrices of 1024 x 1024, for 0.3 s. It is what a training step's rate is compared with.
 * `now`: the clock, in milliseconds.
 */
export async function measureMatmulRate(
  dtype: ComputeType,
  device: Device = 'cpu',
  now: () => number = () => performance.now(),
): Promise<number> {
  const a = keep(full([size, size], 1, dtype, device))
  const b = keep(full([size, size], 1, dtype, device))
  // The first product prepares the kernel.
  keep(matmul(a, b, { transposeB: true })).free()
  await fence(device)
  let best = Infinity
  const started = now()
  do {
    const before = now()
    keep(matmul(a, b, { transposeB: true })).free()
    await fence(device)
    best = Math.min(best, now() - before)
  } while (now() - started < seconds * 1000)
  a.free()
  b.free()
  return (2 * size ** 3) / (best / 1000)
}

/** Compares rates with the machine's matmul rate. */
export class MatmulShare {
  #matmulRate: number | undefined

  /** `matmulRate`: as `measureMatmulRate` gives it. */
  constructor(matmulRate: number | undefined) {
    this.#matmulRate = matmulRate
  }

  /**
   * A rate as a share of the machine's; undefined where that is not known. A share above 1 shows that the machine's rate was
   * measured while other work used the processors: it counts as unknown from then on.
   */
  of(flopsPerSecond: number): number | undefined {
    if (this.#matmulRate === undefined) return undefined
    if (flopsPerSecond > this.#matmulRate) {
      this.#matmulRate = undefined
      return undefined
    }
    return flopsPerSecond / this.#matmulRate
  }
}
