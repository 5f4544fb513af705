import { feedForwardOf, type TransfusionConfig } from '../models/transfusion/config.js'
import type { TransfusionNetwork } from '../models/transfusion/model.js'
import { memory } from '../tensor/device.js'
import { dtypeBytes } from '../tensor/dtype.js'

/** What one call of the network, and the cache, may come to (our choice). */
export interface Limits {
  /** Positions in a call. A generation that comes while others are at the limit may exceed it, up to twice as many. */
  readonly positions: number
  /** What drawing a token takes beside its position, in positions. */
  readonly token: number
  /** Slots of the cache. */
  readonly slots: number
}

/** Floats that a call's activations may take: 128 MiB. */
const callFloats = 2 ** 25
/** Beyond it a call is only longer, not faster for each position. */
const mostPositions = 4096
/** The cache's part of the memory that may be used. */
const cacheShare = 1 / 4

export function limitsOf(network: TransfusionNetwork): Limits {
  const { config, kvHeads, headSize, compute } = network
  const floats = floatsPerPosition(config)
  const slotBytes = 2 * config.layers * kvHeads * headSize * dtypeBytes[compute]
  return {
    positions: Math.max(1, Math.min(mostPositions, Math.floor(callFloats / floats))),
    // Logits, and what sampling makes of them.
    token: Math.ceil((5 * config.vocabulary) / floats),
    slots: Math.floor((memory().limit * cacheShare) / slotBytes),
  }
}

/** What lives at once for each position: each block's output, and a block's own vectors. */
const floatsPerPosition = (config: TransfusionConfig): number =>
  (config.layers + 8) * config.channels + 3 * feedForwardOf(config)
