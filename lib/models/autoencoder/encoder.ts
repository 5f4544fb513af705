import { Conv2d } from '../../nn/conv2d.js'
import { GroupNorm } from '../../nn/norm.js'
import type { ParameterList } from '../../nn/parameters.js'
import { type Layer, Sequential } from '../../nn/sequential.js'
import type { Tensor } from '../../tensor/tensor.js'
import { AutoencoderResidualBlock, MiddleBlock, normEps } from './blocks.js'
import type { AutoencoderConfig } from './config.js'

/** Images to what latents are made of (Esser et al. 2021). */
export class AutoencoderEncoder {
  readonly #layers: Sequential

  /** Adds the parameters to `list`. `outputs`: of each position. */
  constructor(list: ParameterList, config: AutoencoderConfig, outputs: number) {
    const { imageChannels, channels, blocks, groups } = config
    const last = channels.length - 1
    const lowest = channels[last]!
    this.#layers = new Sequential([
      new Conv2d(list.under('conv_in'), imageChannels, channels[0]!),
      ...channels.flatMap((width, level): Layer[] => {
        const under = list.under(`down_blocks.${level}`)
        const inputs = channels[Math.max(0, level - 1)]!
        const block = (i: number) =>
          new AutoencoderResidualBlock(under.under(`resnets.${i}`), i === 0 ? inputs : width, width, groups)
        return [
          ...Array.from({ length: blocks }, (_, i) => block(i)),
          ...(level === last ? [] : [new Conv2d(under.under('downsamplers.0.conv'), width, width, halving)]),
        ]
      }),
      new MiddleBlock(list.under('mid_block'), lowest, config),
      new GroupNorm(list.under('conv_norm_out'), lowest, groups, normEps, true),
      new Conv2d(list.under('conv_out'), lowest, outputs),
    ])
  }

  /** x [N, H, W, image channels], -1 .. 1 -> [N, floor(H / downscale), floor(W / downscale), outputs]. */
  forward(x: Tensor): Tensor {
    return this.#layers.forward(x)
  }
}

/** Zeros below and to the right alone, as taming-transformers pads. */
const halving = { stride: 2, padding: [0, 1] } as const
