import { feedForwardOf, type TransfusionConfig } from '../models/transfusion/config.js'
import type { TransfusionNetwork } from '../models/transfusion/model.js'
import { patchGrid } from '../sequence/layout.js'
import { memory } from '../tensor/device.js'
import { dtypeBytes } from '../tensor/dtype.js'

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

export function limitsOf({ config, kvHeads, headSize, compute }: TransfusionNetwork): Limits {
  const { rows, columns } = patchGrid(config.image, config.image.patch)
  const slotBytes = 2 * config.layers * kvHeads * headSize * dtypeBytes[compute]
  return {
    positions: Math.max(ampleCall, leastImages * 2 * (rows * columns + 2)),
    // Logits, and what sampling makes of them.
    token: Math.ceil((5 * config.vocabulary) / floatsPerPosition(config)),
    slots: Math.floor((memory().limit * cacheShare) / slotBytes),
  }
}

/** What lives at once for each position: each block's output, and a block's own vectors. */
const floatsPerPosition = (config: TransfusionConfig): number =>
  (config.layers + 8) * config.channels + 3 * feedForwardOf(config)
