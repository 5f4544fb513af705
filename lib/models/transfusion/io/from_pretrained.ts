import { checkArguments, checkOptions } from '../../../arguments.js'
import { parseConfig } from '../../../config/parse.js'
import type { ImageCodec } from '../../../image/codec.js'
import type { ImagePreprocessingOptions } from '../../../image/image_preprocessing.js'
import { ChatTemplate } from '../../../tokenizer/chat_template.js'
import type { JsonTokenizer } from '../../../tokenizer/tokenizer.js'
import { type Objective, objectiveSchema } from '../../../diffusion/objective.js'
import type { ComputeType, ParameterArena } from '../../../nn/arena.js'
import type { Parameter } from '../../../nn/parameters.js'
import type { WeightKind } from '../../../nn/weight_kinds.js'
import { mul } from '../../../ops/mul.js'
import { cast } from '../../../ops/cast.js'
import { mean, sum } from '../../../ops/reduce.js'
import { type BlockDType, isBlockDType, rowBytes } from '../../../tensor/dtype.js'
import type { Tensor } from '../../../tensor/tensor.js'
import { encodeRow } from '../../../files/gguf/encode_row.js'
import { checkWeightOptions, computeOf, storageOf, type StoredAs } from '../weight_storage.js'
import { currentDevice, type Device, fence, parseDevice } from '../../../tensor/device.js'
import { scope } from '../../../tensor/scope.js'
import { elementsOf } from '../../../tensor/shape.js'
import type { LlamaConfig } from '../../llama/config.js'
import { openPretrained } from '../../llama/open.js'
import type { PretrainedImages, PretrainedWeights } from '../../llama/pretrained.js'
import { type LlamaTensor, llamaTensors } from '../../llama/tensors.js'
import {
  type TransfusionConfig,
  transfusionConfigSchema,
  type TransfusionOptions,
  withCodes,
} from '../config.js'
import { codecFor } from './create.js'
import type { LoadedModel } from './folder.js'
import { mergeAdapter } from './adapter.js'
import { copyTextWeights } from './image_weights.js'
import { type Freeze, frozenStorage } from '../freeze.js'
import { type LoraSettings, parseLora } from '../lora.js'
import { TransfusionNetwork, transfusionParameters } from '../model.js'
import { imagePreprocessingOf } from '../../../sequence/image_model.js'

type ImageOptions = TransfusionOptions['image']

const embeddingName = 'embedding.weight'
const outputName = 'output.weight'

/** What a language model lacks, to be grown on it. */
export interface FromPretrainedOptions {
  /**
   * The images to read and generate: a language model has none. A Chameleon's are codes of the size that it was trained on, and
   * height and width alone, in codes, may be given.
   */
  image?: TransfusionOptions['image'] | Partial<Pick<TransfusionConfig['image'], 'height' | 'width'>>
  /**
   * Of a Chameleon, a safetensors file with the decoder of its VQGAN, tensors named as in taming-transformers' checkpoint:
   * transformers' files lack it, and without it the model generates codes, no pixels.
   */
  imageDecoder?: string
  /** What the network predicts of images, and how its error counts. */
  objective?: Partial<Objective>
  /** What is computed in. bf16, where the weights are trained: f32 weights, rounded to bf16 for computing. */
  compute?: ComputeType
  /** How the weights are kept, see {@link weightKinds}; f32, the default, is for training, all others for inference and for what is frozen. */
  weights?: WeightKind
  /** Where the weights will lie and the model runs; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device
  /** The image parts' initial weights follow from it. */
  seed?: number
  /** By default the folder's `tokenizer.json`. */
  tokenizer?: JsonTokenizer
  /** Encodes and decodes images, an autoencoder say; by default the one of the model's channels, see {@link defaultImageCodec}. */
  codec?: ImageCodec | undefined
  /** How image files become what the model reads; by default to the size that it generates. */
  imagePreprocessing?: ImagePreprocessingOptions
  /** Which parameters are not trained, see {@link Freeze}; by default all are. With 'text' the rows of BOI and EOI stay as they begin. */
  freeze?: Freeze | undefined
  /** Folder of low-rank updates, as Hugging Face's PEFT writes them, that are merged into the weights. */
  adapter?: string | undefined
  /** Low-rank updates, trained beside weights that are frozen then. */
  lora?: LoraSettings | undefined
}

/** The name of {@link FromPretrainedOptions} in earlier versions. */
export type FromLlamaOptions = FromPretrainedOptions

/**
 * Reads a language model of Hugging Face's transformers (Llama 2 and 3, SmolLM2 and 3, Mistral, Qwen2 and 3: `config.json`,
 * `tokenizer.json`, safetensors of f32, bf16 or f16 in one file or several), or one of llama.cpp's GGUF files, and grows the image parts on it (our choices):
 *
 * - Rows for BOI and EOI where the tokenizer lacks them: the mean of the others, so that their logits begin as ordinary
 *   as any (Hewitt 2021). Rows beyond the tokenizer's ids, which pad some checkpoints, are left out.
 * - The patch parts as in a new model, but for the scale of the patches' vectors, which is the text embeddings'. Positions
 *   'rotary', the default, suit it: those of 'sincos' are added at a scale of their own.
 * - Weights that image positions have of their own (`image.weights`) begin as copies of the text's, so that the outputs are those
 *   of a model whose weights are shared.
 * - Tied matrices are parted: both begin with the same values, but where the checkpoint has two that differ.
 *
 * A Chameleon of transformers is read as it is: it has images, codes among its tokens, and nothing is grown.
 *
 * Throws an Error that names what is missing, does not fit or is not supported.
 */
export async function fromPretrained(path: string, options: FromPretrainedOptions): Promise<LoadedModel> {
  checkArguments('fromPretrained', { path: [path, 'string'], options: [options, 'object'] })
  checkOptions('fromPretrained', options, {
    image: true,
    imageDecoder: true,
    objective: true,
    compute: true,
    device: true,
    seed: true,
    tokenizer: true,
    codec: true,
    imagePreprocessing: true,
    freeze: true,
    adapter: true,
    lora: true,
    weights: true,
  })
  checkWeightOptions('fromPretrained', options)
  const device = parseDevice(options.device ?? currentDevice(), 'fromPretrained')
  const pretrained = await openPretrained(path)
  const { config: llama, images } = pretrained
  if (options.image === undefined && !images)
    throw new TypeError(
      'fromPretrained: options.image is missing: a language model has no images, and the sizes of those to read and generate ' +
        'are for you to choose, { channels: 3, patch: 8, height: 64, width: 64 } say',
    )
  if (options.imageDecoder !== undefined && !images)
    throw new TypeError('fromPretrained: options.imageDecoder is for a Chameleon, whose images are codes')
  const tokenizer = options.tokenizer ?? (await pretrained.readTokenizer())
  if (tokenizer.givenSize > llama.vocabulary)
    throw new Error(
      `${path}: the tokenizer has ${tokenizer.givenSize} tokens, the model's vocabulary ${llama.vocabulary}`,
    )
  const template = await pretrained.readChatTemplate()
  const chatTemplate = template === undefined ? undefined : new ChatTemplate(template, tokenizer)
  const config = grownConfig(
    llama,
    tokenizer,
    { ...images?.image, ...options.image } as ImageOptions,
    images,
    path,
  )
  const objective = parseConfig(objectiveSchema, options.objective ?? {}, 'objective')
  await using weights = await pretrained.openWeights()
  const wanted = transfusionParameters(config).flatMap(({ name }) => llamaTensors(name, llama) ?? [])
  for (const tensor of wanted) weights.check(tensor)
  weights.refuseOthers(new Set(wanted.map(({ name }) => name)))
  const compute = computeOf(options, weights.storesHalves)
  const { imageDecoder } = options
  const own = options.codec ? undefined : await images?.openCodec({ compute, device, imageDecoder })
  const codec = codecFor(config, options.codec ?? own)
  const imagePreprocessing = imagePreprocessingOf({ network: { config }, codec }, options.imagePreprocessing)
  const lora = parseLora(options.lora, 'fromPretrained: lora')
  const frozen = frozenStorage(transfusionParameters(config), { ...options, lora }, 'fromPretrained: ')
  const storage = storageOf(options.weights ?? 'f32', compute, storedAs(weights, llama), frozen)
  const network = new TransfusionNetwork(config, compute, device, storage, lora)
  const { arena } = network
  try {
    arena.initialize(options.seed ?? 0, ({ name }) => !llamaTensors(name, llama))
    for (const parameter of arena.everyParameter) {
      const tensors = llamaTensors(parameter.name, llama)
      if (tensors && !arena.fixed.sharedWith(parameter)) await copyTensors(weights, tensors, arena, parameter)
    }
    if (options.adapter !== undefined) await mergeAdapter(options.adapter, network)
    copyTextWeights(network.arena)
    await growRows(network.arena, tokenizer.givenSize)
    if (config.image.codes === undefined) await scalePatches(network)
    network.arena.updated()
  } catch (error) {
    network[Symbol.dispose]()
    own?.[Symbol.dispose]?.()
    throw error
  }
  return { network, tokenizer, objective, codec, chatTemplate, imagePreprocessing }
}

function grownConfig(
  { bos, eos, tied: _tied, vocabulary: _vocabulary, ...sizes }: LlamaConfig,
  tokenizer: JsonTokenizer,
  image: ImageOptions,
  images: PretrainedImages | undefined,
  folder: string,
): TransfusionConfig {
  const first = bos ?? tokenizer.bos
  const { vocabularySize: vocabulary, boi, eoi } = tokenizer
  const tokens = { ...(first !== undefined && { bos: first }), end: eos ?? tokenizer.eos, boi, eoi }
  const ids = images ? { vocabulary, tokens: images.tokens } : withCodes(vocabulary, tokens, image.codes)
  const grown = { ...sizes, ...ids, image }
  return parseConfig(transfusionConfigSchema, grown, `${folder}, as a model config`)
}

/** How the checkpoint has a parameter: in block dtypes, or as the one that it is tied to; undefined: as floats. */
const storedAs =
  (weights: PretrainedWeights, llama: LlamaConfig): StoredAs =>
  ({ name }) => {
    const tensors = llamaTensors(name, llama)
    if (!tensors) return undefined
    if (name === outputName) {
      const embedding = llamaTensors(embeddingName, llama)![0]!
      if (weights.isSame(tensors[0]!.name, embedding.name)) return { sharedWith: embeddingName }
    }
    const types = tensors.map((tensor) => weights.blockType(tensor.name))
    if (types.some((type) => type === undefined)) return undefined
    const dtypes = types as BlockDType[]
    return new Set(dtypes).size === 1 ? dtypes[0] : dtypes
  }

/** Tensors below each other into one parameter, up to its last row, a piece of them in memory at a time. */
async function copyTensors(
  weights: PretrainedWeights,
  tensors: readonly LlamaTensor[],
  arena: ParameterArena,
  parameter: Parameter,
): Promise<void> {
  const end = elementsOf(parameter.shape)
  const row = parameter.shape.at(-1)!
  const parts = arena.fixed.has(parameter) ? arena.fixed.partsOf(parameter) : []
  let offset = 0
  // A piece is read while the one before is written: two of them are in memory.
  let written: Promise<void> | undefined
  for (const [i, { name }] of tensors.entries()) {
    const { dtype } = parts[i] ?? parts[0] ?? { dtype: 'f32' }
    // Blocks as they lie, where they are kept so.
    const asBlocks = isBlockDType(dtype) && weights.blockType(name) === dtype
    const [pieces, width] = asBlocks
      ? [weights.blockPieces(name), rowBytes(dtype, row)]
      : [weights.pieces(name), row]
    for await (const piece of pieces) {
      const fitting = piece.subarray(0, ((end - offset) / row) * width)
      if (fitting.length === 0) return written
      arena.write(parameter, fitting, offset)
      offset += (fitting.length / width) * row
      await written
      written = fence(arena.device)
    }
  }
  return written
}

/** The embedding and output rows from `given` on: the mean of those before. */
async function growRows(arena: ParameterArena, given: number): Promise<void> {
  for (const parameter of arena.everyParameter) {
    if (parameter.name !== embeddingName && parameter.name !== outputName) continue
    if (arena.fixed.sharedWith(parameter)) continue
    const [rows, channels] = parameter.shape as [number, number]
    if (given === rows) continue
    using values = arena.valuesOf(parameter)
    const row = await meanRow(values, given)
    const { dtype } = values
    const encoded = dtype === 'q4_k' || dtype === 'q6_k' ? encodeRow(dtype, row) : row
    for (let i = given; i < rows; i++) arena.write(parameter, encoded, i * channels)
  }
}

/** Rows of quantised weights that are widened at once. */
const widenedRows = 1024

/** What `reduce` makes of quantised rows, in order, some of them widened at a time; all is enqueued before any is read. */
async function reduceWidened(
  values: Tensor,
  count: number,
  reduce: (floats: Tensor) => Tensor,
): Promise<Float32Array[]> {
  const channels = values.size(-1)
  const reduced: Promise<Float32Array>[] = []
  for (let start = 0; start < count; start += widenedRows) {
    const rows = Math.min(widenedRows, count - start)
    using result = scope(() => reduce(cast(values.view([rows, channels], start * channels), 'f32')))
    reduced.push(result.readFloats())
  }
  return Promise.all(reduced)
}

/** The mean of the first `count` rows. */
async function meanRow(values: Tensor, count: number): Promise<Float32Array> {
  const channels = values.size(-1)
  if (!isBlockDType(values.dtype)) {
    using average = scope(() => mean(values.view([count, channels]), [0]))
    return average.readFloats()
  }
  const total = new Float64Array(channels)
  for (const sums of await reduceWidened(values, count, (floats) => sum(floats, [0])))
    for (const [i, value] of sums.entries()) total[i]! += value
  return Float32Array.from(total, (value) => value / count)
}

/** The mean of the squares. */
async function meanSquare(values: Tensor): Promise<number> {
  if (!isBlockDType(values.dtype)) {
    using square = scope(() => mean(mul(values, values)))
    return (await square.readFloats())[0]!
  }
  const squares = await reduceWidened(values, values.shape[0]!, (floats) => sum(mul(floats, floats)))
  return squares.reduce((total, [square]) => total + square!, 0) / values.elements
}

/** Brings the patches' initial vectors to the root mean square of the text embeddings. */
async function scalePatches({ arena, config }: TransfusionNetwork): Promise<void> {
  const named = (name: string) => arena.everyParameter.find((parameter) => parameter.name === name)!
  using embedding = arena.valuesOf(named(embeddingName))
  const factor = Math.sqrt(await meanSquare(embedding))
  const scaled = ['patch_encoder.projection.weight']
  if (config.image.timestep === 'after') scaled.push('patch_encoder.timestep.outer.weight')
  for (const parameter of scaled.map(named)) {
    using values = arena.valuesOf(parameter)
    arena.write(
      parameter,
      (await values.readFloats()).map((value) => value * factor),
    )
  }
}
