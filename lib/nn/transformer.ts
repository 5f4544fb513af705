import { checkArguments } from '../arguments.js'
import { recompute } from '../autograd/recompute.js'
import type { AttentionSpans } from '../ops/attention.js'
import { joinRows } from '../ops/row_groups.js'
import type { Tensor } from '../tensor/tensor.js'
import type { CacheUse } from './kv_cache.js'
import { RmsNorm } from './norm.js'
import type { ParameterList } from './parameters.js'
import {
  type BlockContext,
  type Modality,
  type Stream,
  TransformerBlock,
  type TransformerSizes,
} from './transformer_block.js'

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

/** The positions of a call by modality: vectors [R, C], and the row [R] i32 of each in the sequence; each row once. */
export type ModalityStreams = Readonly<Record<Modality, { x: Tensor; rows: Tensor }>>

/**
 * The Llama transformer without its embedding and output matrices: pre-norm blocks of attention and SwiGLU, and a
 * final RMSNorm. x [T, C] -> [T, C]. Source: paper, section 4.1. Positions of images may have weights of their own, under
 * `image.`, beside the text's (`sizes.imageWeights`; LMFusion, arXiv 2412.15188): attention still sees all positions.
 */
export class Transformer {
  /**
   * Whether each block saves nothing but its input for the backward pass, which then runs the block again: the same
   * results in less memory and more time ({@link recompute}).
   */
  recomputeBlocks = false
  readonly #blocks: TransformerBlock[]
  readonly #norms: Readonly<Record<Modality, RmsNorm>>

  /** Adds the parameters of all blocks and of the last norm to `list`, those that image positions alone use to `imageList`. */
  constructor(
    list: ParameterList,
    /** Sizes that it was made with. */
    readonly sizes: TransformerSizes,
    imageList: ParameterList = list,
  ) {
    checkArguments('Transformer', { list: [list, 'parameters'], sizes: [sizes, 'object'] })
    const { layers, channels, normEps, imageWeights } = sizes
    this.#blocks = Array.from({ length: layers }, (_, layer) => {
      const name = `layers.${layer}`
      return new TransformerBlock(list.under(name), imageList.under(`${name}.image`), layer, sizes)
    })
    const text = new RmsNorm(list.under('norm'), channels, normEps)
    const image =
      imageWeights === 'all' ? new RmsNorm(imageList.under('image.norm'), channels, normEps) : text
    this.#norms = { text, image }
  }

  /**
   * x [T, C] of the parameters' dtype, all through the weights of one modality -> y like x, after the last norm.
   * @throws ArgumentError where shapes or dtypes do not fit
   */
  forward(x: Tensor, context: TransformerContext, modality: Modality = 'text'): Tensor {
    return this.#run([{ modality, x }], undefined, context)
  }

  /**
   * The positions of each modality through its own weights -> y [T, C], all in the order of the sequence, after the last
   * norm. In between they stay apart but for attention, so that products have the rows of one modality alone.
   * @throws ArgumentError where shapes or dtypes do not fit
   */
  forwardStreams({ text, image }: ModalityStreams, context: TransformerContext): Tensor {
    const all = [
      { modality: 'text' as const, ...text },
      { modality: 'image' as const, ...image },
    ]
    // Products of no rows would be for nothing.
    const streams = all.filter(({ x }) => x.size(0) > 0)
    const rows = streams.map(({ rows }) => rows)
    return this.#run(streams, rows, context)
  }

  #run(
    streams: readonly Stream[],
    rows: readonly Tensor[] | undefined,
    { rope, unrotated, ...context }: TransformerContext,
  ): Tensor {
    const { unrotatedLayers = [] } = this.sizes
    const modalities = streams.map(({ modality }) => modality)
    const streamsOf = (xs: readonly Tensor[]) => xs.map((x, i) => ({ modality: modalities[i]!, x }))
    let xs: readonly Tensor[] = streams.map(({ x }) => x)
    for (const [layer, block] of this.#blocks.entries()) {
      const table = unrotatedLayers.includes(layer) ? unrotated! : rope
      xs = this.#forward(block, xs, streamsOf, { ...context, rope: table, rows })
    }
    const ys = streamsOf(xs).map(({ modality, x }) => this.#norms[modality].forward(x))
    return rows ? joinRows(ys, rows) : ys[0]!
  }

  #forward(
    block: TransformerBlock,
    xs: readonly Tensor[],
    streamsOf: (xs: readonly Tensor[]) => Stream[],
    context: BlockContext,
  ): readonly Tensor[] {
    const { rope, rows, spans, cache } = context
    if (!this.recomputeBlocks || cache) return block.forward(streamsOf(xs), context)
    return recompute(({ xs, rope, rows, ...spans }) => block.forward(streamsOf(xs), { rope, rows, spans }), {
      xs,
      rope,
      rows,
      ...spans,
    })
  }
}
