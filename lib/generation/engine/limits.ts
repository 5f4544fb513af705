import { patchGrid } from '../../sequence/metadata.js'
import { memory } from '../../tensor/device.js'
import type { GenerativeNetwork } from '../model.js'

/** Bounds of one call of the network, and of the cache (our choice). */
export interface Limits {
  /**
   * Positions of a call: so many of prompts, and so many beside them. The first generation of a client may exceed the
   * bound, up to twice as many, so that it does not wait for the generations of others.
   */
  readonly positions: number
  /** The memory that sampling a token takes beside its position, as a number of positions. */
  readonly token: number
  /** Slots of the cache. */
  readonly slots: number
}

/** A call of more positions is only longer, not faster for each: it leaves the processor's caches. */
const amplePositions = 2048
/** A call has room for so many guided images, whatever their size. */
const leastImages = 4
/** The share of the memory limit that the cache may take. */
const cacheShare = 1 / 4

/** The limits for a network on this machine. */
export function limitsOf(network: GenerativeNetwork): Limits {
  const { image, vocabulary } = network.config
  const { rows, columns } = patchGrid(image, image.patch)
  return {
    positions: Math.max(amplePositions, leastImages * 2 * (rows * columns + 2)),
    // Logits, and the copies that sampling makes of them.
    token: Math.ceil((5 * vocabulary) / network.activationsPerPosition),
    slots: Math.floor((memory(network.device).limit * cacheShare) / network.cacheBytesPerPosition),
  }
}
