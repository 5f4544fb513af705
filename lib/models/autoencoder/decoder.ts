import { Conv2d } from '../../nn/conv2d.js'
import { GroupNorm } from '../../nn/norm.js'
import type { ParameterList } from '../../nn/parameters.js'
import { upsampleNearest } from '../../ops/upsample_nearest.js'
import { scope } from '../../tensor/scope.js'
import type { Tensor } from '../../tensor/tensor.js'
import { AutoencoderResidualBlock, MiddleBlock, normEps } from './blocks.js'
import type { AutoencoderConfig } from './config.js'

interface Level {
  readonly blocks: readonly AutoencoderResidualBlock[]
  readonly upsample: Conv2d | undefined
}

/** Latents to images (Esser et al. 2021). */
export class AutoencoderDecoder {
  readonly #input: Conv2d
  readonly #middle: MiddleBlock
  readonly #levels: readonly Level[]
  readonly #norm: GroupNorm
  readonly #output: Conv2d

  /** Adds the parameters to `list`; levels are counted from the lowest. */
  constructor(list: ParameterList, config: AutoencoderConfig) {
    const { imageChannels, blocks, groups, latentChannels } = config
    const channels = config.channels.toReversed()
    const last = channels.length - 1
    this.#input = new Conv2d(list.under('conv_in'), latentChannels, channels[0]!)
    this.#middle = new MiddleBlock(list.under('mid_block'), channels[0]!, config)
    this.#levels = channels.map((width, level) => {
      const under = list.under(`up_blocks.${level}`)
      const above = channels[Math.max(0, level - 1)]!
      return {
        blocks: Array.from(
          { length: blocks + 1 },
          (_, i) =>
            new AutoencoderResidualBlock(under.under(`resnets.${i}`), i === 0 ? above : width, width, groups),
        ),
        upsample: level === last ? undefined : new Conv2d(under.under('upsamplers.0.conv'), width, width),
      }
    })
    this.#norm = new GroupNorm(list.under('conv_norm_out'), channels[last]!, groups, normEps, true)
    this.#output = new Conv2d(list.under('conv_out'), channels[last]!, imageChannels)
  }

  /** z [N, h, w, L] -> x [N, downscale h, downscale w, image channels]. */
  forward(z: Tensor): Tensor {
    return scope(() => {
      let h = this.#middle.forward(this.#input.forward(z))
      for (const { blocks, upsample } of this.#levels) {
        for (const block of blocks) h = block.forward(h)
        h = upsample?.forward(upsampleNearest(h)) ?? h
      }
      return this.#output.forward(this.#norm.forward(h))
    })
  }
}
