/**
 * What encoder and decoder are made of. Parameters have the names of diffusers' files: resnets, attentions, conv_shortcut,
 * to_out.0.
 */
import { add } from '../../ops/add.js'
import { attention } from '../../ops/attention.js'
import { reshape } from '../../ops/reshape.js'
import { Conv2d } from '../../nn/conv2d.js'
import { Linear } from '../../nn/linear.js'
import { GroupNorm } from '../../nn/norm.js'
import type { ParameterList } from '../../nn/parameters.js'
import { Sequential } from '../../nn/sequential.js'
import { imageSpans } from '../../nn/size_buckets.js'
import { scope } from '../../tensor/scope.js'
import type { Tensor } from '../../tensor/tensor.js'

/** Added to the variance in every norm of an autoencoder, as in taming-transformers. */
export const normEps = 1e-6

/** y = shortcut(x) + conv(silu(norm(conv(silu(norm(x)))))); the shortcut is linear where the number of channels changes. */
export class AutoencoderResidualBlock {
  readonly #inner: Sequential
  readonly #conv2: Conv2d
  readonly #shortcut: Linear | undefined

  /** Adds the block's parameters to `list`: I = `inputs`, O = `outputs`. */
  constructor(list: ParameterList, inputs: number, outputs: number, groups: number) {
    this.#inner = new Sequential([
      new GroupNorm(list.under('norm1'), inputs, groups, normEps, true),
      new Conv2d(list.under('conv1'), inputs, outputs),
      new GroupNorm(list.under('norm2'), outputs, groups, normEps, true),
    ])
    this.#conv2 = new Conv2d(list.under('conv2'), outputs, outputs)
    this.#shortcut =
      inputs === outputs
        ? undefined
        : new Linear(list.under('conv_shortcut'), inputs, outputs, { bias: true })
  }

  /** x [N, H, W, I] -> y [N, H, W, O]. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      const h = this.#inner.forward(x)
      return this.#conv2.forward(h, { residual: this.#shortcut?.forward(x) ?? x })
    })
  }
}

/** Self-attention over all positions of an image, of one head, added to its input. */
class AutoencoderAttention {
  readonly #norm: GroupNorm
  readonly #queries: Linear
  readonly #keys: Linear
  readonly #values: Linear
  readonly #output: Linear

  constructor(list: ParameterList, channels: number, groups: number) {
    const linear = (name: string) => new Linear(list.under(name), channels, channels, { bias: true })
    this.#norm = new GroupNorm(list.under('group_norm'), channels, groups, normEps)
    this.#queries = linear('to_q')
    this.#keys = linear('to_k')
    this.#values = linear('to_v')
    this.#output = linear('to_out.0')
  }

  /** x [N, H, W, C] -> y like x. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      const [images, height, width, channels] = x.shape as [number, number, number, number]
      const normed = this.#norm.forward(x)
      const rows = (layer: Linear) => reshape(layer.forward(normed), [-1, 1, channels])
      const spans = imageSpans(images, height * width)
      const y = attention(rows(this.#queries), rows(this.#keys), rows(this.#values), spans)
      return add(x, this.#output.forward(reshape(y, x.shape)))
    })
  }
}

/** The lowest level between its two halves: a residual block, attention where the autoencoder has it, a residual block. */
export class MiddleBlock {
  readonly #layers: Sequential

  /** Adds the parameters to `list`. */
  constructor(list: ParameterList, channels: number, options: { groups: number; attention: boolean }) {
    const { groups } = options
    const attention = options.attention
      ? [new AutoencoderAttention(list.under('attentions.0'), channels, groups)]
      : []
    const [first, second] = [0, 1].map(
      (i) => new AutoencoderResidualBlock(list.under(`resnets.${i}`), channels, channels, groups),
    )
    this.#layers = new Sequential([first!, ...attention, second!])
  }

  /** x [N, H, W, C] -> y like x. */
  forward(x: Tensor): Tensor {
    return this.#layers.forward(x)
  }
}
