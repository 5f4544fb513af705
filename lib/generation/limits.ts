import { patchGrid } from '../sequence/layout.js'
import { memory } from '../tensor/device.js'
import type { GenerativeNetwork } from './model.js'

/** What one call of the network, and the cache, may come to (our choice). */
export interface Limits {
  /**
   * Positions in a call, of prompts and apart from these. The first generation of a caller that comes while others are
   * at the limit may exceed it, up to twice as many.
   */
  readonly positions: number
  /** What drawing a token takes beside its position, in positions. */
  readonly token: number
  /** Slots of the cache. */
  readonly slots: number
}

/** Beyond it a call is only longer, not faster for each position: it leaves the processor's caches. */
const ampleCall = 2048
/** Guided images that a call has room for, whatever their size. */
const leastImages = 4
/** The cache's part of the memory that may be used. */
const cacheShare = 1 / 4

export function limitsOf(network: GenerativeNetwork): Limits {
  const { image, vocabulary } = network.config
  const { rows, columns } = patchGrid(image, image.patch)
  return {
    positions: Math.max(ampleCall, leastImages * 2 * (rows * columns + 2)),
    // Logits, and the copies that sampling makes of them.
    token: Math.ceil((5 * vocabulary) / network.activationsPerPosition),
    slots: Math.floor((memory().limit * cacheShare) / network.cacheBytesPerPosition),
  }
}
