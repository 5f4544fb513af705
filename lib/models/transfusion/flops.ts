import type { PackedBatch } from '../../sequence/packing.js'
import { feedForwardOf, type TransfusionConfig } from './config.js'

/**
 * Floating-point operations of the matrix products in one training step on a batch: 2 for each weight and row forward,
 * 4 backward, and 12 H D for each pair of a query and a key that it sees, in each layer. Logits are computed at rows
 * with a label alone. What is computed again (attention's scores, recomputed blocks) is not counted, nor is what is
 * no matrix product: the usual count for a share of a machine's rate (PaLM, appendix B).
 */
export function trainingFlops(
  config: TransfusionConfig,
  { ids, keyStart, keyEnd, labels, patchRows, images }: PackedBatch,
): number {
  const { channels: C, heads: H, kvHeads: G = H, layers, vocabulary, image } = config
  const D = C / H
  const block = C * (H + 2 * G) * D + C * C + 3 * C * feedForwardOf(config)
  const patchValues = image.patch ** 2 * image.channels
  const timestep = C * C + C * (image.timestep === 'before' ? patchValues : C)
  let targets = 0
  let pairs = 0
  for (let row = 0; row < ids.length; row++) {
    if (labels[row]! >= 0) targets++
    pairs += keyEnd[row]! - keyStart[row]!
  }
  const products =
    ids.length * layers * block +
    targets * C * vocabulary +
    patchRows.length * 2 * patchValues * C +
    images.length * timestep
  return 6 * products + 12 * layers * H * D * pairs
}
