import { Linear } from '../../nn/linear.js'
import { LayerNorm } from '../../nn/norm.js'
import type { ParameterList } from '../../nn/parameters.js'
import { UNetDown, type UNetSizes, UNetUp } from '../../nn/unet.js'
import { add } from '../../ops/add.js'
import { cast } from '../../ops/cast.js'
import { patchify, unpatchify } from '../../ops/patchify.js'
import { mean } from '../../ops/reduce.js'
import { reshape } from '../../ops/reshape.js'
import { silu } from '../../ops/silu.js'
import type { Tensor } from '../../tensor/tensor.js'
import type { TransfusionConfig, UNetConfig } from './config.js'
import type { AttentionMetadata } from '../../nn/attention_metadata.js'
import { type ImageGroup, joinGroups, rowsOfGroup } from '../../nn/image_groups.js'
import {
  addPositions,
  type Computing,
  type EncodedImages,
  type ImageSkips,
  type ModelImages,
  type PatchDecoder,
  type PatchEncoder,
} from './patch_coder.js'
import { TimestepEncoder } from './timestep_encoder.js'

const sizesOf = ({ channels, blocks, heads }: UNetConfig): UNetSizes => ({
  channels,
  blocks,
  heads,
  timestepChannels: 4 * channels[0]!,
})

/** U-Net down blocks (paper, sections 3 and 4.3.3): the patches of an image are seen together, on their way to the transformer. */
export class UNetPatchEncoder implements PatchEncoder {
  readonly #config: TransfusionConfig
  readonly #stem: number
  readonly #timestep: TimestepEncoder
  readonly #down: UNetDown
  readonly #norm: LayerNorm
  readonly #projection: Linear

  constructor(list: ParameterList, config: TransfusionConfig, unet: UNetConfig) {
    const sizes = sizesOf(unet)
    const lowest = unet.channels.at(-1)!
    this.#config = config
    this.#stem = unet.stem
    const { timestepChannels } = sizes
    this.#timestep = new TimestepEncoder(list.under('timestep'), timestepChannels, timestepChannels)
    this.#down = new UNetDown(list.under('down'), unet.stem ** 2 * config.image.channels, sizes)
    this.#norm = new LayerNorm(list.under('norm'), lowest)
    this.#projection = new Linear(list.under('projection'), lowest, config.channels, { bias: true })
  }

  forward(
    { pixels, t }: ModelImages,
    layout: AttentionMetadata,
    { compute, recompute }: Computing,
  ): EncodedImages {
    const timesteps = silu(this.#timestep.forward(t, compute))
    const { imageGroups } = layout
    const lowest: Tensor[] = []
    const skips = imageGroups.list.map((group): ImageSkips => {
      const { height, width, count, sizes, spans } = group
      const timestep = rowsOfGroup(timesteps, group, 'images')
      const blocks = cast(patchify(rowsOfGroup(pixels, group, 'pixels'), sizes, this.#stem), compute)
      const x = reshape(blocks, [count, height / this.#stem, width / this.#stem, blocks.size(-1)])
      const levels = this.#down.forward(x, { timestep, spans, recompute })
      lowest.push(levels.at(-1)!)
      return { height, width, timestep, levels: levels.slice(0, -1) }
    })
    const vectors = lowest.map((level) =>
      this.#projection.forward(reshape(this.#norm.forward(level), [-1, level.size(-1)])),
    )
    return { vectors: addPositions(joinGroups(vectors, imageGroups, 'patches'), layout, this.#config), skips }
  }
}

/**
 * U-Net up blocks, to which the encoder of the same images hands skip connections. Besides its positions, the mean of what
 * the transformer makes of an image enters every block, as the timestep does: what is to be drawn is known on all levels
 * (our choice).
 */
export class UNetPatchDecoder implements PatchDecoder {
  readonly #patch: number
  readonly #stem: number
  readonly #lowest: number
  readonly #projection: Linear
  readonly #pooledContext: Linear
  readonly #up: UNetUp

  constructor(list: ParameterList, { channels, image }: TransfusionConfig, unet: UNetConfig) {
    this.#patch = image.patch
    this.#stem = unet.stem
    this.#lowest = unet.channels.at(-1)!
    const sizes = sizesOf(unet)
    this.#projection = new Linear(list.under('projection'), channels, this.#lowest, { bias: true })
    this.#pooledContext = new Linear(list.under('pooled_context'), channels, sizes.timestepChannels, {
      bias: true,
    })
    this.#up = new UNetUp(list.under('up'), unet.stem ** 2 * image.channels, sizes)
  }

  forward(
    vectors: Tensor,
    { imageGroups }: AttentionMetadata,
    skips: readonly ImageSkips[],
    { recompute }: Computing,
  ): Tensor {
    const pixels = imageGroups.list.map((group) => {
      const { count, height, width, sizes, spans } = group
      const own = rowsOfGroup(vectors, group, 'patches')
      const x = reshape(this.#projection.forward(own), [
        count,
        height / this.#patch,
        width / this.#patch,
        this.#lowest,
      ])
      const { timestep: ofEncoder, levels } = skipsOf(group, skips)
      const pooled = mean(reshape(own, [count, -1, own.size(-1)]), [1])
      const timestep = add(ofEncoder, this.#pooledContext.forward(pooled))
      const blocks = cast(this.#up.forward(x, levels, { timestep, spans, recompute }), 'f32')
      return unpatchify(reshape(blocks, [-1, blocks.size(-1)]), sizes, this.#stem)
    })
    return joinGroups(pixels, imageGroups, 'pixels')
  }
}

/** Those of a group's images: where others of their size were encoded with them, which is so in drawing alone, the first. */
function skipsOf({ height, width, count }: ImageGroup, skips: readonly ImageSkips[]): ImageSkips {
  const found = skips.find((skip) => skip.height === height && skip.width === width)
  if (!found) throw new Error(`UNetPatchDecoder: no image of ${height} x ${width} pixels was encoded`)
  if (found.timestep.size(0) === count) return found
  const first = (tensor: Tensor) => tensor.view([count, ...tensor.shape.slice(1)])
  return { ...found, timestep: first(found.timestep), levels: found.levels.map(first) }
}
