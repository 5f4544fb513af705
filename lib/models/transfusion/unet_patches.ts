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
import { type SizeBucket, joinBuckets, rowsOfBucket } from '../../nn/size_buckets.js'
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

/** U-Net down blocks (paper, sections 3 and 4.3.3): an image's lowest level has one position per patch for the transformer. */
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
    { values, t }: ModelImages,
    metadata: AttentionMetadata,
    { compute, recompute }: Computing,
  ): EncodedImages {
    const timesteps = silu(this.#timestep.forward(t, compute))
    const { sizeBuckets } = metadata
    const lowest: Tensor[] = []
    const skips = sizeBuckets.list.map((bucket): ImageSkips => {
      const { height, width, count, sizes, spans } = bucket
      const timestep = rowsOfBucket(timesteps, bucket, 'images')
      const blocks = cast(patchify(rowsOfBucket(values, bucket, 'pixels'), sizes, this.#stem), compute)
      const x = reshape(blocks, [count, height / this.#stem, width / this.#stem, blocks.size(-1)])
      const levels = this.#down.forward(x, { timestep, spans, recompute })
      lowest.push(levels.at(-1)!)
      return { height, width, timestep, levels: levels.slice(0, -1) }
    })
    const vectors = lowest.map((level) =>
      this.#projection.forward(reshape(this.#norm.forward(level), [-1, level.size(-1)])),
    )
    return {
      vectors: addPositions(joinBuckets(vectors, sizeBuckets, 'patches'), metadata, this.#config),
      skips,
    }
  }
}

/**
 * U-Net up blocks with skip connections from the encoder of the same images. Every block is conditioned on the timestep and
 * on the pooled context, the mean of the transformer's output over an image's patches: so all levels, not the lowest alone,
 * know what the image is to show (our choice).
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
    { sizeBuckets }: AttentionMetadata,
    skips: readonly ImageSkips[],
    { recompute }: Computing,
  ): Tensor {
    const pixels = sizeBuckets.list.map((bucket) => {
      const { count, height, width, sizes, spans } = bucket
      const own = rowsOfBucket(vectors, bucket, 'patches')
      const x = reshape(this.#projection.forward(own), [
        count,
        height / this.#patch,
        width / this.#patch,
        this.#lowest,
      ])
      const { timestep: encoded, levels } = skipsOf(bucket, skips)
      const pooled = mean(reshape(own, [count, -1, own.size(-1)]), [1])
      const timestep = add(encoded, this.#pooledContext.forward(pooled))
      const blocks = cast(this.#up.forward(x, levels, { timestep, spans, recompute }), 'f32')
      return unpatchify(reshape(blocks, [-1, blocks.size(-1)]), sizes, this.#stem)
    })
    return joinBuckets(pixels, sizeBuckets, 'pixels')
  }
}

/**
 * The skip connections of a bucket's images. Generation encodes more images of a size than it denoises (images that are read
 * come after those): of these the first are taken.
 */
function skipsOf({ height, width, count }: SizeBucket, skips: readonly ImageSkips[]): ImageSkips {
  const found = skips.find((skip) => skip.height === height && skip.width === width)
  if (!found) throw new Error(`UNetPatchDecoder: no image of ${height} x ${width} pixels was encoded`)
  if (found.timestep.size(0) === count) return found
  const first = (tensor: Tensor) => tensor.view([count, ...tensor.shape.slice(1)])
  return { ...found, timestep: first(found.timestep), levels: found.levels.map(first) }
}
