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
 * blocks contain bidirectional attention within"). It has no position embedding: the
 * convolutions around it tell positions apart.
 */
export class ImageAttention {
  readonly #norm: LayerNorm
  readonly #qkv: Linear
  readonly #output: Linear

  /** Adds the parameters to `list`. The heads must divide the channels. */
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
    // Zeros at first, so that a new block returns its input.
    this.#output = new Linear(list.under('output'), channels, channels, {
      initial: { value: 0 },
      matrixRows: [channels],
    })
  }

  /**
   * x [N, H, W, C] of the parameters' dtype, `spans` of N sequences of H W positions -> y like x.
   * @throws ArgumentError where shapes or dtypes do not fit
   */
  forward(x: Tensor, spans: AttentionSpans): Tensor {
    return scope(() => {
      const { channels, heads } = this
      const qkv = reshape(this.#qkv.forward(this.#norm.forward(x)), [-1, 3 * heads, channels / heads])
      const [q, k, v] = split(qkv, [heads, heads, heads], 1) as [Tensor, Tensor, Tensor]
      return add(x, this.#output.forward(reshape(attention(q, k, v, spans), x.shape)))
    })
  }
}
