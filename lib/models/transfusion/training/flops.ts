import type { PackedBatch } from '../../../sequence/packing.js'
import { feedForwardOf, headSizeOf, type TransfusionConfig, type UNetConfig } from '../config.js'

/** Rows that go through the same weights: those of one modality, or all. */
interface Rows {
  readonly count: number
  /** In front of a part's name in a block: "image." where they have weights of their own for it. */
  readonly attention: string
  readonly feedForward: string
  /** Whether something that is trained has changed them so far, so that they have a gradient. */
  differentiated: boolean
}

/**
 * Floating-point operations of the matrix products in one training step on a batch: 2 for each weight and row forward, as many
 * backward for the gradient of the weight and for that of the row, and 4 H D forward and 8 H D backward for each pair of a query
 * and a key that it sees, in each layer and each attention of a U-Net. Logits are computed at rows with a label alone. Frozen
 * weights have no gradients, and rows none where nothing below them is trained; patch encoder and decoder are
 * counted as a half of the patch parts each, whole where one of their parameters is trained. What is computed again (attention's scores, recomputed blocks) is not
 * counted, nor is what is no matrix product: the usual count for a share of a machine's rate (PaLM, appendix B).
 * `trained`: the parameters that are, with their elements; by default all.
 */
export function trainingFlops(
  config: TransfusionConfig,
  { ids, keyStart, keyEnd, labels, patchRows, images }: PackedBatch,
  trained?: ReadonlyMap<string, number>,
): number {
  const { channels: C, heads: H, kvHeads: G = H, layers, vocabulary, image } = config
  const D = headSizeOf(config)
  const F = feedForwardOf(config)
  const isTrained = (name: string) => trained === undefined || trained.has(name)
  let targets = 0
  let pairs = 0
  for (let row = 0; row < ids.length; row++) {
    if (labels[row]! >= 0) targets++
    pairs += keyEnd[row]! - keyStart[row]!
  }
  const ofImages = image.unet
    ? images.reduce((sum, size) => sum + unetProducts(image.unet!, config, size), 0)
    : linearPatchProducts(config, images.length, patchRows.length)
  const isPartTrained = (part: string) =>
    trained === undefined || [...trained.keys()].some((name) => name.startsWith(`${part}.`))
  const encoderTrained = isPartTrained('patch_encoder')
  const streams = streamsOf(config, ids.length, images.length > 0 ? patchRows.length : 0)
  for (const stream of streams)
    stream.differentiated =
      (stream === streams[0] && isTrained('embedding.weight')) ||
      (encoderTrained && images.length > 0 && (streams.length === 1 || stream === streams[1]))
  const updates = updatesAmong(trained)
  let flops = 0
  const multiply = (stream: Rows, name: string, elements: number, rows = stream.count) => {
    const weight = isTrained(`${name}.weight`)
    flops += 2 * rows * elements * (1 + (weight ? 1 : 0) + (stream.differentiated ? 1 : 0))
    const { A, B } = updates.get(name) ?? { A: 0, B: 0 }
    flops += 2 * rows * (A * (2 + (stream.differentiated ? 1 : 0)) + B * 3)
    stream.differentiated ||= weight || A > 0 || (trained?.has(`${name}.bias`) ?? false)
  }
  const normalise = (stream: Rows, name: string) => (stream.differentiated ||= isTrained(`${name}.weight`))
  for (let layer = 0; layer < layers; layer++) {
    const named = (own: string, part: string) => `layers.${layer}.${own}${part}`
    for (const stream of streams) {
      normalise(stream, named(stream.attention, 'attention_norm'))
      multiply(stream, named(stream.attention, 'attention.qkv'), C * (H + 2 * G) * D)
    }
    // Each sees keys and values of all.
    const differentiated = streams.some((stream) => stream.differentiated)
    flops += 4 * H * D * pairs * (differentiated ? 3 : 1)
    for (const stream of streams) {
      stream.differentiated = differentiated
      multiply(stream, named(stream.attention, 'attention.output'), H * D * C)
      normalise(stream, named(stream.feedForward, 'feed_forward_norm'))
      multiply(stream, named(stream.feedForward, 'feed_forward.gate_up'), 2 * C * F)
      multiply(stream, named(stream.feedForward, 'feed_forward.down'), F * C)
    }
  }
  const [text] = streams as [Rows]
  normalise(text, 'norm')
  const ofDecoder = isPartTrained('patch_decoder') ? 3 : text.differentiated ? 2 : 1
  multiply(text, 'output', C * vocabulary, targets)
  // Of the offset of BOI's row the gradient is a row of the whole matrix's.
  if (image.boi === 'own' && isTrained('image.boi.weight') && !isTrained('output.weight'))
    flops += 2 * targets * C * vocabulary
  return flops + ofImages * ((encoderTrained ? 3 : 1) + ofDecoder)
}

/** Elements of the factors of LoRA by the name of their linear layer. */
function updatesAmong(trained: ReadonlyMap<string, number> = new Map()) {
  const updates = new Map<string, { A: number; B: number }>()
  for (const [name, elements] of trained) {
    const [, layer, factor] = /^(.+)\.lora_([AB])\.\d+$/.exec(name) ?? []
    if (layer === undefined) continue
    const sums = updates.get(layer) ?? { A: 0, B: 0 }
    sums[factor as 'A' | 'B'] += elements
    updates.set(layer, sums)
  }
  return updates
}

/** The rows of a sequence, text's first; of images alone, where those have weights of their own. */
function streamsOf({ image: { weights } }: TransfusionConfig, positions: number, patches: number): Rows[] {
  const rows = (count: number, attention = '', feedForward = attention): Rows => ({
    count,
    attention,
    feedForward,
    differentiated: false,
  })
  if (weights === 'shared' || patches === 0) return [rows(positions)]
  return [rows(positions - patches), rows(patches, weights === 'all' ? 'image.' : '', 'image.')]
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
