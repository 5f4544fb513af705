import { parseConfig } from '../../config/parse.js'
import { type ComputeType, ParameterArena } from '../../nn/arena.js'
import { type CacheUse, KvCache } from '../../nn/kv_cache.js'
import type { FixedStorage } from '../../nn/fixed_parameters.js'
import { Linear } from '../../nn/linear.js'
import { type Parameter, ParameterList } from '../../nn/parameters.js'
import { ropeFrequencies } from '../../nn/rope_frequencies.js'
import { Transformer, type TransformerContext } from '../../nn/transformer.js'
import type { Penalties } from '../../ops/cross_entropy.js'
import { cast } from '../../ops/cast.js'
import { embedding, type EmbeddingOptions } from '../../ops/embedding.js'
import { gatherRows } from '../../ops/gather_rows.js'
import { linear } from '../../ops/linear.js'
import { linearCrossEntropy } from '../../ops/linear_cross_entropy.js'
import { reshape } from '../../ops/reshape.js'
import { ropeTable } from '../../ops/rope_table.js'
import { scale } from '../../ops/scale.js'
import { scatterAddRows } from '../../ops/scatter_rows.js'
import { dtypeBytes, isBlockDType } from '../../tensor/dtype.js'
import { currentDevice, type Device, parseDevice } from '../../tensor/device.js'
import { keep } from '../../tensor/scope.js'
import { fromArray, type Tensor, zeros } from '../../tensor/tensor.js'
import {
  feedForwardOf,
  headSizeOf,
  type TransfusionConfig,
  transfusionConfigSchema,
  type TransfusionOptions,
} from './config.js'
import type { AttentionMetadata } from '../../nn/attention_metadata.js'
import { LinearPatchDecoder, LinearPatchEncoder } from './linear_patches.js'
import { addUpdates, type Lora } from './lora.js'
import type { Computing, ImageSkips, ModelImages, PatchDecoder, PatchEncoder } from './patch_coder.js'
import { UNetPatchDecoder, UNetPatchEncoder } from './unet_patches.js'

/** The output of one call of the network. */
export interface ModelOutput {
  /** `[T, C]`: the transformer's output at every position. */
  hidden: Tensor
  /** The skip connections from the images' encoder to their decoder; empty without a U-Net. */
  skips: readonly ImageSkips[]
}

/** Undefined where images are tokens. */
function makeEncoder(list: ParameterList, config: TransfusionConfig): PatchEncoder | undefined {
  const { unet, codes } = config.image
  if (codes !== undefined) return undefined
  return unet ? new UNetPatchEncoder(list, config, unet) : new LinearPatchEncoder(list, config)
}

function makeDecoder(list: ParameterList, config: TransfusionConfig): PatchDecoder | undefined {
  const { unet, codes } = config.image
  if (codes !== undefined) return undefined
  return unet ? new UNetPatchDecoder(list, config, unet) : new LinearPatchDecoder(list, config)
}

/** A model's modules and their parameters, which get memory when an arena is made of them. */
function makeModules(config: TransfusionConfig, lora?: Lora) {
  const list = new ParameterList()
  const imageList = new ParameterList()
  const updateList = new ParameterList()
  const { vocabulary, layers, channels, heads, kvHeads = heads, normEps } = config
  const { attentionBias, qkNorm, normOrder, unrotatedLayers, image } = config
  const sizes = {
    layers,
    channels,
    heads,
    kvHeads,
    feedForward: feedForwardOf(config),
    normEps,
    headSize: headSizeOf(config),
    attentionBias,
    qkNorm,
    normOrder,
    unrotatedLayers,
    imageWeights: image.weights,
  }
  const modules = {
    // Std 1, like the patches' vectors: only their ratio matters, since the first norm removes a common scale.
    embedding: list.under('embedding').add('weight', [vocabulary, channels], { std: 1 }),
    encoder: makeEncoder(list.under('patch_encoder'), config),
    transformer: new Transformer(list, sizes, imageList),
    decoder: makeDecoder(list.under('patch_decoder'), config),
    output: new Linear(list.under('output'), channels, vocabulary),
    boi: image.boi === 'own' ? imageList.add('image.boi.weight', [1, channels], { value: 0 }) : undefined,
  }
  // Behind all others, so that these begin with the same values for the same seed, whatever images have of their own.
  const parameters = [...list.parameters, ...imageList.parameters]
  if (lora) addUpdates(updateList, parameters, lora)
  return { modules, parameters: [...parameters, ...updateList.parameters] }
}

/**
 * Names and shapes of the parameters of a model with these options, with `lora` its factors too; allocates nothing. Throws a
 * ConfigError.
 */
export function transfusionParameters(options: TransfusionOptions, lora?: Lora): readonly Parameter[] {
  return makeModules(parseConfig(transfusionConfigSchema, options, 'model config'), lora).parameters
}

/**
 * One transformer over text tokens and image patches (paper, section 3): an embedding and an output matrix for text, a patch
 * encoder and decoder for images; the transformer between them is shared.
 */
export class TransfusionNetwork {
  /** Sizes and special tokens. */
  readonly config: TransfusionConfig
  /** The weights. */
  readonly arena: ParameterArena
  readonly #modules: ReturnType<typeof makeModules>['modules']
  readonly #frequencies: Tensor
  readonly #axes: Tensor
  readonly #attentionFactor: number
  /** Frequencies of 0, for the layers that do not rotate; undefined where all do. */
  readonly #still: Tensor | undefined

  /** Weights are zero until they are initialised or loaded. Throws a ConfigError that names what is wrong in the options. */
  constructor(
    options: TransfusionOptions,
    compute: ComputeType = 'f32',
    device: Device = currentDevice(),
    /** Which parameters are not trained, and how those are kept. */
    fixed?: FixedStorage,
    /** Low-rank updates that are trained beside weights that are not. */
    readonly lora?: Lora,
  ) {
    this.config = parseConfig(transfusionConfigSchema, options, 'model config')
    const { modules, parameters } = makeModules(this.config, lora)
    this.#modules = modules
    this.arena = new ParameterArena(parameters, compute, parseDevice(device, 'TransfusionNetwork'), fixed)
    const { ropeTheta, ropeScaling, unrotatedLayers } = this.config
    const { frequencies, attentionFactor } = ropeFrequencies(this.headSize, ropeTheta, ropeScaling)
    const pairs = frequencies.length
    this.#frequencies = keep(fromArray(frequencies, [pairs], 'f32', this.device))
    this.#axes = keep(fromArray(rotaryAxes(pairs), [pairs], 'i32', this.device))
    this.#attentionFactor = attentionFactor
    this.#still = unrotatedLayers?.length ? keep(zeros([pairs], 'f32', this.device)) : undefined
  }

  /** The dtype of the computation; weights that are trained are f32. */
  get compute(): ComputeType {
    return this.arena.compute
  }

  /** The device that holds the weights and computes; inputs must lie there too. */
  get device(): Device {
    return this.arena.device
  }

  /** Whether training recomputes the activations of each block in the backward pass: less memory, more time. */
  get recomputeBlocks(): boolean {
    return this.#modules.transformer.recomputeBlocks
  }

  /** Sets whether training recomputes the activations of each block in the backward pass. */
  set recomputeBlocks(recompute: boolean) {
    this.#modules.transformer.recomputeBlocks = recompute
  }

  /** D, which is even. */
  get headSize(): number {
    return headSizeOf(this.config)
  }

  /** G, the heads of keys and values; divides H. */
  get kvHeads(): number {
    return this.config.kvHeads ?? this.config.heads
  }

  /** Bytes of the keys and values of one position in a cache. */
  get cacheBytesPerPosition(): number {
    return 2 * this.config.layers * this.kvHeads * this.headSize * dtypeBytes[this.compute]
  }

  /**
   * Floats that live at once for each position of a call without a backward pass: each block's output, and the vectors
   * inside one block.
   */
  get activationsPerPosition(): number {
    const { layers, channels, heads, image } = this.config
    // Rows of each modality apart: queries, keys and values, and what attention gives, once more.
    const vectors = image.weights === 'shared' ? 8 : 12
    return (
      layers * channels + vectors * Math.max(channels, heads * this.headSize) + 3 * feedForwardOf(this.config)
    )
  }

  /** Keys and values of `slots` positions for all layers. */
  createCache(slots: number): KvCache {
    return new KvCache(slots, this.config.layers, this.kvHeads, this.headSize, this.compute, this.device)
  }

  /**
   * Runs the network on a sequence. `images` may be absent when there are none. With a cache the new positions' keys
   * and values are written to it and attention sees the cache.
   */
  forward(metadata: AttentionMetadata, images?: ModelImages, cache?: CacheUse): ModelOutput {
    const encoded = images && imageModule(this.#modules.encoder).forward(images, metadata, this.#computing)
    const { positions } = metadata
    const table = ropeTable(positions, this.#frequencies, this.#axes)
    const hidden = this.#hidden(encoded?.vectors, metadata, {
      rope: this.#attentionFactor === 1 ? table : scale(table, this.#attentionFactor),
      unrotated: this.#still && ropeTable(positions, this.#still, this.#axes),
      spans: metadata.spans,
      ...(cache && { cache }),
    })
    return { hidden, skips: encoded?.skips ?? [] }
  }

  /** The transformer's output [T, C] where the patches have these vectors [P, C]; undefined: there are no images. */
  #hidden(patches: Tensor | undefined, metadata: AttentionMetadata, context: TransformerContext): Tensor {
    const { embedding: weight, transformer } = this.#modules
    const { ids, patchRows, text } = metadata
    if (!patches || this.config.image.weights === 'shared') {
      const x = embedding(weight.tensor, ids, this.#embedded)
      return transformer.forward(patches ? scatterAddRows(x, patches, patchRows) : x, context)
    }
    if (!text)
      throw new Error(
        'TransfusionNetwork.forward: metadata must have the rows of text, received none: upload it for the model, ' +
          'uploadAttentionMetadata(metadata, network.config.image)',
      )
    if (text.isNone) return transformer.forward(patches, context, 'image')
    const tokens = {
      x: embedding(weight.tensor, gatherRows(ids, text.rows), this.#embedded),
      rows: text.rows,
    }
    return transformer.forwardStreams({ text: tokens, image: { x: patches, rows: patchRows } }, context)
  }

  /** Logits [R, V] f32 of the tokens that follow the given rows [R] of `hidden`. */
  logits(hidden: Tensor, rows: Tensor): Tensor {
    const { output, boi } = this.#modules
    const x = gatherRows(hidden, rows)
    const logits = output.forward(x, { dtype: 'f32' })
    if (!boi) return logits
    const { vocabulary, tokens } = this.config
    const columns = Int32Array.from({ length: x.size(0) }, (_, row) => row * vocabulary + tokens.boi)
    const offsets = linear(x, boi.tensor, undefined, { dtype: 'f32' })
    return reshape(scatterAddRows(reshape(logits, [-1, 1]), offsets, fromArray(columns)), logits.shape)
  }

  /**
   * The cross-entropy of the tokens, labels [R], that follow the given rows [R] of `hidden`, see `linearCrossEntropy`.
   */
  tokenLosses(hidden: Tensor, rows: Tensor, labels: Tensor, options: { weights?: Tensor } & Penalties) {
    return linearCrossEntropy(gatherRows(hidden, rows), this.#outputWeight(), labels, options)
  }

  /** [V, C] */
  #outputWeight(): Tensor {
    const { output, boi } = this.#modules
    const weight = output.weight.tensor
    if (!boi) return weight
    const floats = isBlockDType(weight.dtype) ? cast(weight, this.compute) : weight
    return scatterAddRows(floats, boi.tensor, fromArray(Int32Array.of(this.config.tokens.boi)))
  }

  /**
   * The network's prediction for the images' values [S, image channels] f32: eps, v or x0, as it was trained. `metadata` is
   * that of the call, or of its first images alone.
   */
  imagePrediction({ hidden, skips }: ModelOutput, metadata: AttentionMetadata): Tensor {
    const vectors = gatherRows(hidden, metadata.patchRows)
    return imageModule(this.#modules.decoder).forward(vectors, metadata, skips, this.#computing)
  }

  get #embedded(): EmbeddingOptions {
    return { dtype: this.compute }
  }

  get #computing(): Computing {
    return { compute: this.compute, recompute: this.recomputeBlocks }
  }

  /** Frees the weights. */
  [Symbol.dispose](): void {
    this.arena[Symbol.dispose]()
    this.#frequencies.free()
    this.#axes.free()
    this.#still?.free()
  }
}

/** A module of images that are patches. */
function imageModule<Module extends PatchEncoder | PatchDecoder>(module: Module | undefined): Module {
  if (module) return module
  throw new Error(
    'TransfusionNetwork: images of this model are codes, tokens like those of text, and have no patches',
  )
}

/**
 * Frequency i rotates by the position along axis i mod 3 of sequence, row and column, so that each axis has fast and slow
 * ones. The three positions of a text token are equal: for text this is plain RoPE (our choice, after Qwen2-VL).
 */
const rotaryAxes = (pairs: number): Int32Array => Int32Array.from({ length: pairs }, (_, i) => i % 3)
