import { checkArguments } from '../arguments.js'
import { add } from '../ops/add.js'
import { attention, type AttentionSpans } from '../ops/attention.js'
import { reshape } from '../ops/reshape.js'
import { split } from '../ops/split.js'
import { scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import { Linear } from './linear.js'
import { LayerNorm } from './norm.js'
import type { ParameterList } from './parameters.js'

/**
 * Self-attention over all positions of an image, in both directions, added to its input (paper, section 4.3.1: "U-Net
 * blocks contain bidirectional attention within"). Where positions lie is told by the convolutions around it.
 */
export class ImageAttention {
  readonly #norm: LayerNorm
  readonly #qkv: Linear
  readonly #output: Linear

  /** The heads divide the channels. */
  constructor(
    list: ParameterList,
    /** C. */
    readonly channels: number,
    /** Each of C / heads channels. */
    readonly heads: number,
  ) {
    checkArguments('ImageAttention', { list: [list, 'parameters'] })
    this.#norm = new LayerNorm(list.under('norm'), channels)
    const matrixRows = [channels, channels, channels]
    this.#qkv = new Linear(list.under('qkv'), channels, 3 * channels, { matrixRows })
    // From zero: a new block hands on what it is given.
    this.#output = new Linear(list.under('output'), channels, channels, {
      initial: { value: 0 },
      matrixRows: [channels],
    })
  }

  /** x [N, H, W, C]; spans of N sequences of H W positions -> [N, H, W, C]. */
  forward(x: Tensor, spans: AttentionSpans): Tensor {
    return scope(() => {
      const { channels, heads } = this
      const qkv = reshape(this.#qkv.forward(this.#norm.forward(x)), [-1, 3 * heads, channels / heads])
      const [q, k, v] = split(qkv, [heads, heads, heads], 1) as [Tensor, Tensor, Tensor]
      return add(x, this.#output.forward(reshape(attention(q, k, v, spans), x.shape)))
    })
  }
}
