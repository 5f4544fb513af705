import type { PackedBatch } from '../../../sequence/packing.js'
import { feedForwardOf, headSizeOf, type TransfusionConfig, type UNetConfig } from '../config.js'

/**
 * Floating-point operations of the matrix products in one training step on a batch: 2 for each weight and row forward,
 * 4 backward, and 12 H D for each pair of a query and a key that it sees, in each layer and each attention of a U-Net.
 * Logits are computed at rows with a label alone. What is computed again (attention's scores, recomputed blocks) is not
 * counted, nor is what is no matrix product: the usual count for a share of a machine's rate (PaLM, appendix B).
 */
export function trainingFlops(
  config: TransfusionConfig,
  { ids, keyStart, keyEnd, labels, patchRows, images }: PackedBatch,
): number {
  const { channels: C, heads: H, kvHeads: G = H, layers, vocabulary, image } = config
  const D = headSizeOf(config)
  const block = C * (H + 2 * G) * D + H * D * C + 3 * C * feedForwardOf(config)
  let targets = 0
  let pairs = 0
  for (let row = 0; row < ids.length; row++) {
    if (labels[row]! >= 0) targets++
    pairs += keyEnd[row]! - keyStart[row]!
  }
  const ofImages = image.unet
    ? images.reduce((sum, size) => sum + unetProducts(image.unet!, config, size), 0)
    : linearPatchProducts(config, images.length, patchRows.length)
  const products = ids.length * layers * block + targets * C * vocabulary + ofImages
  return 6 * products + 12 * layers * H * D * pairs
}

/** Multiplications of linear patch parts forward. */
function linearPatchProducts(
  { channels: C, image }: TransfusionConfig,
  images: number,
  patches: number,
): number {
  const values = image.patch ** 2 * image.channels
  const timestep = C * C + C * (image.timestep === 'before' ? values : C)
  return patches * 2 * values * C + images * timestep
}

/** Multiplications of U-Net patch parts forward, for one image. */
function unetProducts(
  { channels, blocks, stem }: UNetConfig,
  { channels: C, image }: TransfusionConfig,
  { height, width }: { height: number; width: number },
): number {
  const positions = channels.map((_, level) => (height * width) / (stem * 2 ** level) ** 2)
  const timestep = 4 * channels[0]!
  const edge = positions[0]! * 9 * channels[0]! * stem ** 2 * image.channels
  const lowest = { width: channels.at(-1)!, positions: positions.at(-1)! }
  const ofLevels = channels.reduce((sum, width, level) => {
    const block = (inputs: number) =>
      positions[level]! * (9 * width * (inputs + width) + (inputs === width ? 0 : inputs * width)) +
      timestep * width
    const below = positions[level + 1] ?? 0
    const downAndUpsampling = below * 10 * width * (channels[level + 1] ?? 0)
    const isLowest = level === channels.length - 1
    return sum + block(isLowest ? width : 2 * width) + (2 * blocks - 1) * block(width) + downAndUpsampling
  }, 0)
  // Queries, keys, values and outputs; scores and weighted sums.
  const attention = lowest.positions * lowest.width * (4 * lowest.width + 2 * lowest.positions)
  const projections = 2 * lowest.positions * lowest.width * C
  return 2 * edge + ofLevels + 2 * blocks * attention + projections + timestep * (2 * timestep + C)
}
