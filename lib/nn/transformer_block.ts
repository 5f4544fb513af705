import { add } from '../ops/add.js'
import { attention, type AttentionSpans } from '../ops/attention.js'
import { concat } from '../ops/concat.js'
import { reshape } from '../ops/reshape.js'
import { splitRows } from '../ops/row_groups.js'
import { split } from '../ops/split.js'
import { type HeadsPart, splitNormRope } from '../ops/split_norm_rope.js'
import { swiglu } from '../ops/swiglu.js'
import { swigluLinear } from '../ops/swiglu_linear.js'
import { scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import { HeadLayerNorm } from './head_norm.js'
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
  /**
   * Whether RMSNorms, of weights [D], normalise queries and keys in each head before they are rotated; 'layer': layer norms of
   * weights and biases [H, D] and [G, D], as in Chameleon.
   */
  qkNorm?: boolean | 'layer' | undefined
  /** Whether norms stand before attention and feed-forward, the default, or behind them, before the residual sum. */
  normOrder?: 'pre' | 'post' | undefined
  /** Blocks, from 0, in which queries and keys are not rotated; by default none. */
  unrotatedLayers?: readonly number[] | undefined
  /**
   * What positions of images have weights of their own for: the feed-forward and its norm, or all, which is besides the
   * norms, the projections of attention and the last norm. By default nothing: all positions share the weights.
   */
  imageWeights?: 'shared' | 'feed-forward' | 'all' | undefined
}

/** Whose weights a position goes through. */
export type Modality = 'text' | 'image'

/** The vectors of the positions of one modality. */
export interface Stream {
  readonly modality: Modality
  /** [R, C] */
  readonly x: Tensor
}

/** What the blocks see of a call. */
export interface BlockContext {
  /** Rotary table [T, D]: cosines, then sines. */
  rope: Tensor
  /** Which keys each query sees. */
  spans: AttentionSpans
  /** For each stream the row of each of its rows in the sequence, i32; undefined: one stream, in the sequence's order. */
  rows?: readonly Tensor[] | undefined
  /** The cache, and the slot [T] of each position; attention then sees the cache's slots. */
  cache?: CacheUse | undefined
}

/** The layers that add to the residual stream begin smaller in deeper models, as in GPT-2 (our choice). */
const residualInitial = (inputs: number, layers: number) => ({ std: 1 / Math.sqrt(inputs * 2 * layers) })

/** What each position does by itself for attention: queries, keys and values before it, the output behind it, and a norm. */
class AttentionLayers {
  readonly #norm: RmsNorm
  readonly #qkv: Linear
  readonly #output: Linear
  readonly #headSize: number
  readonly #headNorms: { query: RmsNorm; key: RmsNorm } | undefined
  readonly #headLayerNorms: { query: HeadLayerNorm; key: HeadLayerNorm } | undefined

  constructor(
    list: ParameterList,
    readonly sizes: TransformerSizes,
  ) {
    const { channels, heads, kvHeads, layers, normEps, headSize = channels / heads, attentionBias } = sizes
    const matrixRows = [heads, kvHeads, kvHeads].map((count) => count * headSize)
    const own = list.under('attention')
    this.#norm = new RmsNorm(list.under('attention_norm'), channels, normEps)
    this.#headSize = headSize
    this.#qkv = new Linear(own.under('qkv'), channels, (heads + 2 * kvHeads) * headSize, {
      matrixRows,
      bias: attentionBias !== undefined,
    })
    const [query, key] = [own.under('query_norm'), own.under('key_norm')]
    if (sizes.qkNorm === 'layer')
      this.#headLayerNorms = {
        query: new HeadLayerNorm(query, heads, headSize),
        key: new HeadLayerNorm(key, kvHeads, headSize),
      }
    else if (sizes.qkNorm)
      this.#headNorms = {
        query: new RmsNorm(query, headSize, normEps),
        key: new RmsNorm(key, headSize, normEps),
      }
    this.#output = new Linear(own.under('output'), heads * headSize, channels, {
      initial: residualInitial(heads * headSize, layers),
      matrixRows: [channels],
      bias: attentionBias === 'all',
    })
  }

  /**
   * x [R, C] -> queries, keys and values [R, H + 2 G, D], not rotated yet, and the weights of RMSNorms of each head, which are not
   * applied yet either.
   */
  project(x: Tensor): HeadsPart {
    const { heads, kvHeads } = this.sizes
    const projected = this.#qkv.forward(this.sizes.normOrder === 'post' ? x : this.#norm.forward(x))
    const norms = this.#headNorms && {
      query: this.#headNorms.query.weight.tensor,
      key: this.#headNorms.key.weight.tensor,
    }
    const qkv = reshape(projected, [-1, heads + 2 * kvHeads, this.#headSize])
    if (!this.#headLayerNorms) return { qkv, norms }
    const { query, key } = this.#headLayerNorms
    const [q, k, v] = split(qkv, [heads, kvHeads, kvHeads], 1) as [Tensor, Tensor, Tensor]
    return { qkv: concat([query.forward(q), key.forward(k), v], 1) }
  }

  /** y [R, H, D], what attention gives -> [R, C]. */
  output(y: Tensor): Tensor {
    const x = this.#output.forward(reshape(y, [-1, this.sizes.heads * this.#headSize]))
    return this.sizes.normOrder === 'post' ? this.#norm.forward(x) : x
  }
}

class FeedForward {
  readonly #norm: RmsNorm
  readonly #gateUp: Linear
  readonly #down: Linear

  constructor(
    list: ParameterList,
    readonly sizes: TransformerSizes,
  ) {
    const { channels, feedForward, layers, normEps } = sizes
    const matrixRows = [feedForward, feedForward]
    const own = list.under('feed_forward')
    this.#norm = new RmsNorm(list.under('feed_forward_norm'), channels, normEps)
    this.#gateUp = new Linear(own.under('gate_up'), channels, 2 * feedForward, { matrixRows })
    this.#down = new Linear(own.under('down'), feedForward, channels, {
      initial: residualInitial(feedForward, layers),
      matrixRows: [channels],
    })
  }

  forward(x: Tensor): Tensor {
    return this.sizes.normOrder === 'post'
      ? this.#norm.forward(this.#project(x))
      : this.#project(this.#norm.forward(x))
  }

  #project(x: Tensor): Tensor {
    const gateUp = this.#gateUp.forward(x)
    if (this.#down.weight.update) return this.#down.forward(swiglu(gateUp))
    return swigluLinear(gateUp, this.#down.weight.tensor)
  }
}

type OfModality<Layers> = Readonly<Record<Modality, Layers>>

/** A block of attention and feed-forward, each behind a norm, or before it, and added to the residual stream. */
export class TransformerBlock {
  readonly #attention: OfModality<AttentionLayers>
  readonly #feedForward: OfModality<FeedForward>

  /** Adds the parameters to `list`, those that image positions alone use to `imageList`. */
  constructor(
    list: ParameterList,
    imageList: ParameterList,
    readonly layer: number,
    readonly sizes: TransformerSizes,
  ) {
    const { imageWeights = 'shared' } = sizes
    const attention = new AttentionLayers(list, sizes)
    const feedForward = new FeedForward(list, sizes)
    this.#attention = {
      text: attention,
      image: imageWeights === 'all' ? new AttentionLayers(imageList, sizes) : attention,
    }
    this.#feedForward = {
      text: feedForward,
      image: imageWeights === 'shared' ? feedForward : new FeedForward(imageList, sizes),
    }
  }

  /** Streams of T positions in all -> their x behind the block, in the streams' order. */
  forward(streams: readonly Stream[], context: BlockContext): Tensor[] {
    return scope(() => {
      const attended = this.#attend(streams, context)
      return streams.map(({ modality, x }, i) => {
        const sum = add(x, this.#attention[modality].output(attended[i]!))
        return add(sum, this.#feedForward[modality].forward(sum))
      })
    })
  }

  /** Attention over the whole sequence: what each stream's positions get of it. */
  #attend(streams: readonly Stream[], { rope, spans, rows, cache }: BlockContext): readonly Tensor[] {
    const { heads, kvHeads, normEps } = this.sizes
    const parts = streams.map(({ modality, x }, i) => ({
      ...this.#attention[modality].project(x),
      rows: rows?.[i],
    }))
    const { q, k, v } = splitNormRope(parts, rope, heads, kvHeads, normEps)
    const seen = cache ? cache.kv.write(this.layer, k, v, cache.slots) : { k, v }
    const y = attention(q, seen.k, seen.v, spans)
    return rows ? splitRows(y, rows) : [y]
  }
}
