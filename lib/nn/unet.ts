/**
 * The two halves of a U-Net (Ronneberger et al. 2015; blocks of Nichol and Dhariwal 2021). The transformer stands between
 * them. Levels are counted from the finest; each is half as high and wide as the one above.
 */
import { checkArguments } from '../arguments.js'
import { recompute } from '../autograd/recompute.js'
import type { AttentionSpans } from '../ops/attention.js'
import { concat } from '../ops/concat.js'
import { upsampleNearest } from '../ops/upsample_nearest.js'
import { scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import { Conv2d } from './conv2d.js'
import { ImageAttention } from './image_attention.js'
import { Linear } from './linear.js'
import { LayerNorm } from './norm.js'
import type { ParameterList } from './parameters.js'
import { ResidualBlock } from './residual_block.js'

/** Sizes of both halves. */
export interface UNetSizes {
  /** Channels of each level. */
  channels: readonly number[]
  /** Residual blocks on each level, in each half. */
  blocks: number
  /** Of the attention on the lowest level. */
  heads: number
  /** Of the vector that tells an image's timestep. */
  timestepChannels: number
}

/** What blocks need besides an image: N images of one size. */
export interface UNetContext {
  /** [N, timestep channels]. */
  timestep: Tensor
  /** On the lowest level: N sequences, of which each position sees all. */
  spans: AttentionSpans
  /** Whether each block keeps its input alone for the backward pass, which then runs the block again. */
  recompute?: boolean
}

/** Residual blocks on one level, on the lowest with attention after each of them. */
class Level {
  readonly #blocks: ResidualBlock[]
  readonly #attention: ImageAttention[]

  constructor(list: ParameterList, inputs: number, sizes: UNetSizes, level: number) {
    const channels = sizes.channels[level]!
    const indices = Array.from({ length: sizes.blocks }, (_, i) => i)
    this.#blocks = indices.map(
      (i) =>
        new ResidualBlock(
          list.under(`blocks.${i}`),
          i === 0 ? inputs : channels,
          channels,
          sizes.timestepChannels,
        ),
    )
    this.#attention =
      level === sizes.channels.length - 1
        ? indices.map((i) => new ImageAttention(list.under(`attention.${i}`), channels, sizes.heads))
        : []
  }

  forward(x: Tensor, context: UNetContext): Tensor {
    // Either way a function of tensors alone.
    const run: typeof recompute = context.recompute ? recompute : (body, inputs) => body(inputs)
    const { timestep, spans } = context
    let h = x
    for (const [i, block] of this.#blocks.entries()) {
      h = run(({ h, timestep }) => block.forward(h, timestep), { h, timestep })
      const attention = this.#attention[i]
      if (attention) h = run(({ h, ...spans }) => attention.forward(h, spans), { h, ...spans })
    }
    return h
  }
}

function checkUNet(callee: string, list: ParameterList, sizes: UNetSizes): void {
  checkArguments(callee, { list: [list, 'parameters'], sizes: [sizes, 'object'] })
  checkArguments(callee, { 'sizes.channels': [sizes.channels, 'numbers'] })
}

/** The down blocks: an image to its lowest level, and the skip connections. */
export class UNetDown {
  readonly #input: Conv2d
  readonly #levels: Level[]
  readonly #downsample: Conv2d[]

  constructor(list: ParameterList, inputs: number, sizes: UNetSizes) {
    checkUNet('UNetDown', list, sizes)
    const { channels } = sizes
    this.#input = new Conv2d(list.under('input'), inputs, channels[0]!)
    this.#levels = channels.map((width, i) => new Level(list.under(`levels.${i}`), width, sizes, i))
    this.#downsample = channels
      .slice(1)
      .map((width, i) => new Conv2d(list.under(`downsample.${i}`), channels[i]!, width, { stride: 2 }))
  }

  /** x [N, H, W, inputs] -> what each level came to, [N, H / 2^l, W / 2^l, channels[l]]; the last is the result. */
  forward(x: Tensor, context: UNetContext): readonly Tensor[] {
    return scope(() => {
      const outputs: Tensor[] = []
      let h = this.#input.forward(x)
      for (const [i, level] of this.#levels.entries()) {
        h = level.forward(h, context)
        outputs.push(h)
        h = this.#downsample[i]?.forward(h) ?? h
      }
      return outputs
    })
  }
}

/**
 * The up blocks: from the lowest level and the skip connections back to an image. There is none on the lowest level: all
 * that is known of it comes through the transformer, past which an image would be generated without regard to its caption.
 */
export class UNetUp {
  readonly #levels: Level[]
  readonly #upsample: Linear[]
  readonly #norm: LayerNorm
  readonly #output: Conv2d

  constructor(list: ParameterList, outputs: number, sizes: UNetSizes) {
    checkUNet('UNetUp', list, sizes)
    const { channels } = sizes
    const last = channels.length - 1
    this.#levels = channels.map(
      (width, i) => new Level(list.under(`levels.${i}`), i === last ? width : 2 * width, sizes, i),
    )
    // The channels are reduced before the positions are doubled: a convolution after that would cost most of the network.
    this.#upsample = channels
      .slice(1)
      .map((width, i) => new Linear(list.under(`upsample.${i}`), width, channels[i]!, { bias: true }))
    this.#norm = new LayerNorm(list.under('norm'), channels[0]!, true)
    // From zero: the first predictions are zero rather than noise of their own.
    this.#output = new Conv2d(list.under('output'), channels[0]!, outputs, { initial: { value: 0 } })
  }

  /** x [N, h, w, channels.at(-1)] and what `UNetDown` gave on each level but the lowest -> [N, H, W, outputs]. */
  forward(x: Tensor, skips: readonly Tensor[], context: UNetContext): Tensor {
    return scope(() => {
      let h = x
      for (let i = this.#levels.length - 1; i >= 0; i--) {
        h = this.#levels[i]!.forward(skips[i] ? concat([h, skips[i]], 3) : h, context)
        if (i > 0) h = upsampleNearest(this.#upsample[i - 1]!.forward(h))
      }
      return this.#output.forward(this.#norm.forward(h))
    })
  }
}
