import { Conv2d } from '../../nn/conv2d.js'
import { GroupNorm } from '../../nn/norm.js'
import type { ParameterList } from '../../nn/parameters.js'
import { type Layer, Sequential } from '../../nn/sequential.js'
import { upsampleNearest } from '../../ops/upsample_nearest.js'
import type { Tensor } from '../../tensor/tensor.js'
import { AutoencoderResidualBlock, MiddleBlock, normEps } from './blocks.js'
import type { AutoencoderConfig } from './config.js'

/** Latents to images (Esser et al. 2021). */
export class AutoencoderDecoder {
  /** z [N, h, w, L] -> what the last layer makes images of, [N, downscale h, downscale w, C]. */
  readonly features: Sequential
  /** The last layer: features to images. */
  readonly output: Conv2d
  readonly #layers: Sequential

  /** Adds the parameters to `list`; levels are counted from the lowest. */
  constructor(list: ParameterList, config: AutoencoderConfig) {
    const { imageChannels, blocks, groups, latentChannels } = config
    const channels = config.channels.toReversed()
    const last = channels.length - 1
    this.features = new Sequential([
      new Conv2d(list.under('conv_in'), latentChannels, channels[0]!),
      new MiddleBlock(list.under('mid_block'), channels[0]!, config),
      ...channels.flatMap((width, level): Layer[] => {
        const under = list.under(`up_blocks.${level}`)
        const above = channels[Math.max(0, level - 1)]!
        const block = (i: number) =>
          new AutoencoderResidualBlock(under.under(`resnets.${i}`), i === 0 ? above : width, width, groups)
        return [
          ...Array.from({ length: blocks + 1 }, (_, i) => block(i)),
          ...(level === last ? [] : [doubling, new Conv2d(under.under('upsamplers.0.conv'), width, width)]),
        ]
      }),
      new GroupNorm(list.under('conv_norm_out'), channels[last]!, groups, normEps, true),
    ])
    this.output = new Conv2d(list.under('conv_out'), channels[last]!, imageChannels)
    this.#layers = new Sequential([this.features, this.output])
  }

  /** z [N, h, w, L] -> x [N, downscale h, downscale w, image channels]. */
  forward(z: Tensor): Tensor {
    return this.#layers.forward(z)
  }
}

const doubling: Layer = { forward: (x) => upsampleNearest(x) }
