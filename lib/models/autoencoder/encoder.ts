import { Conv2d } from '../../nn/conv2d.js'
import { GroupNorm } from '../../nn/norm.js'
import type { ParameterList } from '../../nn/parameters.js'
import { scope } from '../../tensor/scope.js'
import type { Tensor } from '../../tensor/tensor.js'
import { AutoencoderResidualBlock, MiddleBlock, normEps } from './blocks.js'
import type { AutoencoderConfig } from './config.js'

interface Level {
  readonly blocks: readonly AutoencoderResidualBlock[]
  readonly downsample: Conv2d | undefined
}

/** Images to what latents are made of (Esser et al. 2021). */
export class AutoencoderEncoder {
  readonly #input: Conv2d
  readonly #levels: readonly Level[]
  readonly #middle: MiddleBlock
  readonly #norm: GroupNorm
  readonly #output: Conv2d

  /** Adds the parameters to `list`. `outputs`: of each position. */
  constructor(list: ParameterList, config: AutoencoderConfig, outputs: number) {
    const { imageChannels, channels, blocks, groups } = config
    const last = channels.length - 1
    const lowest = channels[last]!
    this.#input = new Conv2d(list.under('conv_in'), imageChannels, channels[0]!)
    this.#levels = channels.map((width, level) => {
      const under = list.under(`down_blocks.${level}`)
      const inputs = channels[Math.max(0, level - 1)]!
      return {
        blocks: Array.from(
          { length: blocks },
          (_, i) =>
            new AutoencoderResidualBlock(
              under.under(`resnets.${i}`),
              i === 0 ? inputs : width,
              width,
              groups,
            ),
        ),
        downsample:
          level === last ? undefined : new Conv2d(under.under('downsamplers.0.conv'), width, width, halving),
      }
    })
    this.#middle = new MiddleBlock(list.under('mid_block'), lowest, config)
    this.#norm = new GroupNorm(list.under('conv_norm_out'), lowest, groups, normEps, true)
    this.#output = new Conv2d(list.under('conv_out'), lowest, outputs)
  }

  /** x [N, H, W, image channels], -1 .. 1 -> [N, floor(H / downscale), floor(W / downscale), outputs]. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      let h = this.#input.forward(x)
      for (const { blocks, downsample } of this.#levels) {
        for (const block of blocks) h = block.forward(h)
        h = downsample?.forward(h) ?? h
      }
      return this.#output.forward(this.#norm.forward(this.#middle.forward(h)))
    })
  }
}

/** Zeros below and to the right alone, as taming-transformers pads. */
const halving = { stride: 2, padding: [0, 1] } as const
