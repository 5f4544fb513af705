import { checkArguments } from '../arguments.js'
import { recompute } from '../autograd/recompute.js'
import { add } from '../ops/add.js'
import { attention, type AttentionSpans } from '../ops/attention.js'
import { concat } from '../ops/concat.js'
import { reshape } from '../ops/reshape.js'
import { split } from '../ops/split.js'
import { splitRope } from '../ops/split_rope.js'
import { swigluLinear } from '../ops/swiglu_linear.js'
import { scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import type { CacheUse } from './kv_cache.js'
import { Linear } from './linear.js'
import { RmsNorm } from './norm.js'
import type { ParameterList } from './parameters.js'

/** Sizes of a Llama block: C channels, H query heads, G key/value heads, D the size of each, F feed-forward width. */
export interface TransformerSizes {
  /** Blocks. */
  layers: number
  /** C; where there is no head size, a multiple of the heads. */
  channels: number
  /** H. */
  heads: number
  /** G, which divides H; H: every head has its own. */
  kvHeads: number
  /** F. */
  feedForward: number
  /** Of RMSNorm. */
  normEps: number
  /** D, an even number; by default C / H. */
  headSize?: number | undefined
  /** Biases of attention: of queries, keys and values, or of its output, too; by default none. */
  attentionBias?: 'qkv' | 'all' | undefined
  /** Whether RMSNorms, of weights [D], normalise queries and keys in each head before they are rotated. */
  qkNorm?: boolean | undefined
  /** Blocks, from 0, in which queries and keys are not rotated; by default none. */
  unrotatedLayers?: readonly number[] | undefined
}

/** Which positions see each other, their rotations, and the cache of their keys and values, if there is one. */
export interface TransformerContext {
  /** Rotary table [T, D]: cosines, then sines. */
  rope: Tensor
  /** The table of no rotation [T, D], ones and zeros; needed where some layers do not rotate. */
  unrotated?: Tensor | undefined
  /** Which keys each query sees. */
  spans: AttentionSpans
  /** The cache, and the slot [T] of each position; attention then sees the cache's slots. */
  cache?: CacheUse
}

class SelfAttention {
  readonly #qkv: Linear
  readonly #output: Linear
  readonly #headSize: number
  readonly #norms: { query: RmsNorm; key: RmsNorm } | undefined

  constructor(
    list: ParameterList,
    readonly layer: number,
    readonly sizes: TransformerSizes,
  ) {
    const { channels, heads, kvHeads, layers, normEps, headSize = channels / heads, attentionBias } = sizes
    const matrixRows = [heads, kvHeads, kvHeads].map((count) => count * headSize)
    this.#headSize = headSize
    this.#qkv = new Linear(list.under('qkv'), channels, (heads + 2 * kvHeads) * headSize, {
      matrixRows,
      bias: attentionBias !== undefined,
    })
    this.#norms = sizes.qkNorm
      ? {
          query: new RmsNorm(list.under('query_norm'), headSize, normEps),
          key: new RmsNorm(list.under('key_norm'), headSize, normEps),
        }
      : undefined
    this.#output = new Linear(list.under('output'), heads * headSize, channels, {
      initial: residualInitial(heads * headSize, layers),
      matrixRows: [channels],
      bias: attentionBias === 'all',
    })
  }

  forward(x: Tensor, { rope, spans, cache }: TransformerContext): Tensor {
    const { heads, kvHeads } = this.sizes
    const qkv = reshape(this.#qkv.forward(x), [-1, heads + 2 * kvHeads, this.#headSize])
    const { q, k, v } = splitRope(this.#normalised(qkv), rope, heads, kvHeads)
    const seen = cache ? cache.kv.write(this.layer, k, v, cache.slots) : { k, v }
    return this.#output.forward(reshape(attention(q, seen.k, seen.v, spans), [-1, heads * this.#headSize]))
  }

  #normalised(qkv: Tensor): Tensor {
    if (!this.#norms) return qkv
    const { heads, kvHeads } = this.sizes
    const [q, k, v] = split(qkv, [heads, kvHeads, kvHeads], 1) as [Tensor, Tensor, Tensor]
    return concat([this.#norms.query.forward(q), this.#norms.key.forward(k), v], 1)
  }
}

class FeedForward {
  readonly #gateUp: Linear
  readonly #down: Linear

  constructor(list: ParameterList, { channels, feedForward, layers }: TransformerSizes) {
    const matrixRows = [feedForward, feedForward]
    this.#gateUp = new Linear(list.under('gate_up'), channels, 2 * feedForward, { matrixRows })
    this.#down = new Linear(list.under('down'), feedForward, channels, {
      initial: residualInitial(feedForward, layers),
      matrixRows: [channels],
    })
  }

  forward(x: Tensor): Tensor {
    return swigluLinear(this.#gateUp.forward(x), this.#down.weight.tensor)
  }
}

/** The layers that add to the residual stream begin smaller in deeper models, as in GPT-2 (our choice). */
const residualInitial = (inputs: number, layers: number) => ({ std: 1 / Math.sqrt(inputs * 2 * layers) })

class TransformerBlock {
  readonly #attentionNorm: RmsNorm
  readonly #attention: SelfAttention
  readonly #feedForwardNorm: RmsNorm
  readonly #feedForward: FeedForward

  constructor(list: ParameterList, layer: number, sizes: TransformerSizes) {
    this.#attentionNorm = new RmsNorm(list.under('attention_norm'), sizes.channels, sizes.normEps)
    this.#attention = new SelfAttention(list.under('attention'), layer, sizes)
    this.#feedForwardNorm = new RmsNorm(list.under('feed_forward_norm'), sizes.channels, sizes.normEps)
    this.#feedForward = new FeedForward(list.under('feed_forward'), sizes)
  }

  forward(x: Tensor, context: TransformerContext): Tensor {
    return scope(() => {
      const attended = add(x, this.#attention.forward(this.#attentionNorm.forward(x), context))
      return add(attended, this.#feedForward.forward(this.#feedForwardNorm.forward(attended)))
    })
  }
}

/**
 * The Llama transformer without its embedding and output matrices: pre-norm blocks of attention and SwiGLU, and a
 * final RMSNorm. x [T, C] -> [T, C]. Source: paper, section 4.1.
 */
export class Transformer {
  /**
   * Whether each block saves nothing but its input for the backward pass, which then runs the block again: the same
   * results in less memory and more time ({@link recompute}).
   */
  recomputeBlocks = false
  readonly #blocks: TransformerBlock[]
  readonly #norm: RmsNorm

  /** Adds the parameters of all blocks and of the last norm to `list`. */
  constructor(
    list: ParameterList,
    /** Sizes that it was made with. */
    readonly sizes: TransformerSizes,
  ) {
    checkArguments('Transformer', { list: [list, 'parameters'], sizes: [sizes, 'object'] })
    this.#blocks = Array.from(
      { length: sizes.layers },
      (_, layer) => new TransformerBlock(list.under(`layers.${layer}`), layer, sizes),
    )
    this.#norm = new RmsNorm(list.under('norm'), sizes.channels, sizes.normEps)
  }

  /**
   * x [T, C] of the parameters' dtype -> y like x, after the last norm.
   * @throws ArgumentError where shapes or dtypes do not fit
   */
  forward(x: Tensor, context: TransformerContext): Tensor {
    let h = x
    const { unrotatedLayers = [] } = this.sizes
    for (const [layer, block] of this.#blocks.entries()) {
      const rope = unrotatedLayers.includes(layer) ? context.unrotated! : context.rope
      h = this.#forward(block, h, { ...context, rope })
    }
    return this.#norm.forward(h)
  }

  #forward(block: TransformerBlock, x: Tensor, context: TransformerContext): Tensor {
    const { rope, spans, cache } = context
    if (!this.recomputeBlocks || cache) return block.forward(x, context)
    return recompute(({ x, rope, ...spans }) => block.forward(x, { rope, spans }), { x, rope, ...spans })
  }
}
