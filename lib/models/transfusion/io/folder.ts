import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { checkOptions } from '../../../arguments.js'
import { currentFile, replaceFiles } from '../../../files/atomic_folder.js'
import {
  type Checksums,
  checksumOf,
  DamagedFileError,
  readListed,
  writeSealed,
} from '../../../files/checksum.js'
import {
  type ImagePreprocessing,
  type ImagePreprocessingOptions,
} from '../../../image/image_preprocessing.js'
import { defaultImageCodec, type ImageCodec } from '../../../image/codec.js'
import { codecOf, imagePreprocessingOf } from '../../../sequence/image_model.js'
import { ChatTemplate } from '../../../tokenizer/chat_template.js'
import { JsonTokenizer } from '../../../tokenizer/tokenizer.js'
import { objectiveSchema } from '../../../diffusion/objective.js'
import { type ComputeType, ParameterArena } from '../../../nn/arena.js'
import { mergeUpdate } from '../../../nn/low_rank.js'
import type { SavedPrecision } from '../../../nn/parameter_values.js'
import type { WeightKind } from '../../../nn/weight_kinds.js'
import type { Parameter } from '../../../nn/parameters.js'
import { currentDevice, type Device, parseDevice } from '../../../tensor/device.js'
import type { Tensor } from '../../../tensor/tensor.js'
import { autoencoderFolderName } from '../../autoencoder/held_autoencoder.js'
import { loadImageCodec } from '../../autoencoder/image_codec.js'
import { type OwnWeights, transfusionName } from '../config.js'
import { copyTextWeights } from './image_weights.js'
import { type Freeze, frozenStorage } from '../freeze.js'
import { isFactor, type LoraSettings, parseLora, refuseOtherLora } from '../lora.js'
import { readModelConfig, refuseOtherConfig } from './folder_config.js'
import { modelFiles as files, modelFolderOf } from './locate.js'
import { TransfusionNetwork, transfusionParameters } from '../model.js'
import { checkWeightOptions, computeOf, storageOf } from '../weight_storage.js'
import { quantisedAs } from './quantised_weights.js'
import { readWeights, readWeightTypes, type WeightPiece, writeWeights } from './weights.js'
import { copyShared, writePiece } from './write_pieces.js'

/** A model and what it takes to use it. */
export interface ModelParts {
  /** The weights. */
  network: TransfusionNetwork
  /** Text to token ids and back. */
  tokenizer: JsonTokenizer
  /** What the network gives for images. */
  objective: z.output<typeof objectiveSchema>
  /** Encodes and decodes images; by default the one of its channels: pixels for 1 and 3, none for others. */
  codec?: ImageCodec | undefined
  /** Makes a document of messages; absent where the model was not trained on conversations. */
  chatTemplate?: ChatTemplate | undefined
  /** How image files become what the model reads; by default to the size that it generates. */
  imagePreprocessing?: ImagePreprocessingOptions | undefined
}

/** How a model folder is read. */
export interface LoadOptions {
  /** What is computed in. bf16, where the weights are trained: f32 weights, rounded to bf16 for computing. */
  compute?: ComputeType
  /**
   * How the weights are kept, see {@link weightKinds}: f32 for training, all others for inference and for what is frozen, read piece by piece
   * without a copy in f32. By default f32, or stored where the folder's weights are quantised.
   */
  weights?: WeightKind
  /** Where the weights will lie and the model runs; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device
  /** False: checksums are left alone, which saves a little time. */
  verify?: boolean
  /** Which parameters are not trained, see {@link Freeze}; by default all are. */
  freeze?: Freeze | undefined
  /** Low-rank updates, trained beside weights that are frozen then; a checkpoint's are merged unless they are the same. */
  lora?: LoraSettings | undefined
  /** Those updates' initial weights follow from it. */
  seed?: number | undefined
}

/** A model as its folder describes it. */
export interface LoadedModel extends ModelParts {
  /** Encodes and decodes images; undefined where the model reads latents and has no autoencoder. */
  codec: ImageCodec | undefined
  /** How image files become what the model reads; undefined without a codec. */
  imagePreprocessing: ImagePreprocessing | undefined
}

/**
 * Writes `config.json`, `tokenizer.json` and `model.safetensors` into a folder, in place of a model that it has: all or,
 * whatever happens, none. An interrupted save is made good by the next one. The weights are those at the call, even where
 * they are trained on meanwhile: they are copied once they change. `values`: others in their place, f32, as they lie in the
 * arena; nobody changes these. Low-rank updates are `merged`, or written beside the weights, for training to go on. Resolves with
 * the checksum of all.
 */
export async function saveModel(
  folder: string,
  model: ModelParts,
  precision: SavedPrecision = 'f32',
  values?: Tensor,
  merged = true,
): Promise<string> {
  const { network, tokenizer, objective } = model
  using frozen = network.arena.freeze()
  const codec = codecOf(model)
  // Of a codec whose files are none yet, its config tells of them once they are saved.
  await codec?.saveInto?.(folder)
  const preprocessing = imagePreprocessingOf(model, model.imagePreprocessing)
  const config = {
    architecture: transfusionName,
    model: network.config,
    objective,
    codec: codec?.config,
    chatTemplate: model.chatTemplate?.text,
    preprocessing,
    weights: quantisedAs(network.arena, merged),
    lora: merged ? undefined : network.lora,
  }
  let seal = ''
  await replaceFiles(folder, async (aside) => {
    const path = (file: keyof typeof files) => join(aside, files[file])
    const weights = await writeWeights(
      path('weights'),
      network.arena,
      precision,
      () => values ?? frozen.tensor,
      merged,
    )
    await tokenizer.save(path('tokenizer'))
    const checksums = { [files.weights]: weights, [files.tokenizer]: await checksumOf(path('tokenizer')) }
    seal = await writeSealed(path('config'), files.config, { ...config, checksums })
  })
  return seal
}

/**
 * Reads what `saveModel` wrote; `path`: the folder, or a run or a checkpoint that has it. Throws when a file is missing or
 * malformed, and when the weights do not fit the config, naming what is missing, unknown or of another shape; a
 * DamagedFileError where a file is not what was saved, unless `verify` is false. `grown`: what images are to
 * have weights of their own for, at least what the folder's have; those that it lacks begin as copies of the text's, or as 0.
 */
export async function loadModel(
  path: string,
  options: LoadOptions = {},
  grown: Partial<OwnWeights> = {},
): Promise<LoadedModel> {
  checkOptions('Transfusion.load', options, {
    compute: true,
    weights: true,
    device: true,
    verify: true,
    freeze: true,
    lora: true,
    seed: true,
  })
  checkWeightOptions('Transfusion.load', options)
  const { verify = true } = options
  const device = parseDevice(options.device ?? currentDevice(), 'Transfusion.load')
  const folder = await modelFolderOf(path)
  const {
    model,
    listed,
    codec: recorded,
    codecSizes: _,
    chatTemplate: template,
    weights: quantised,
    lora: storedLora,
    ...rest
  } = await readModelConfig(folder, verify)
  const weights = options.weights ?? (quantised ? 'stored' : 'f32')
  if (quantised && !['f32', 'stored', quantised].includes(weights))
    throw new Error(
      `${folder}: its weights are quantised (${quantised}) and cannot be kept as ${weights}: leave weights out, or ` +
        'widen them by "f32"',
    )
  const weightsPath = await currentFile(folder, files.weights)
  const types = quantised || weights !== 'f32' ? await readWeightTypes(weightsPath) : undefined
  const compute = computeOf({ ...options, weights }, types?.storesHalves)
  const { end: eos, codes, ...ids } = model.tokens
  const tokenizerPath = await currentFile(folder, files.tokenizer)
  const tokenizer = await readListed(tokenizerPath, { ...listed, name: files.tokenizer }, async (sum) => {
    sum?.add(await readFile(tokenizerPath))
    return JsonTokenizer.load(tokenizerPath, { ...ids, eos })
  })
  // Codes follow the tokenizer's tokens, unless they are among these.
  const ofText = typeof codes === 'number' ? codes : model.vocabulary
  if (tokenizer.vocabularySize !== ofText)
    throw new Error(
      `${folder}: the tokenizer has ${tokenizer.vocabularySize} tokens, the model's vocabulary ${ofText}`,
    )
  const chatTemplate = template === undefined ? undefined : new ChatTemplate(template, tokenizer)
  const codec =
    recorded && recorded.type !== 'pixels'
      ? await loadImageCodec(join(folder, autoencoderFolderName), model.image, {
          compute,
          device,
          checksums: verify ? recorded.checksums : undefined,
          calibration: recorded.type === 'autoencoder' ? recorded.calibration : undefined,
        })
      : defaultImageCodec(model.image.channels, model.image.codes)
  const sizes = { ...model, image: { ...model.image, ...grown } }
  const lora = parseLora(options.lora, 'Transfusion.load: lora')
  const frozen = frozenStorage(transfusionParameters(sizes), { ...options, lora }, 'Transfusion.load: ')
  const storage = storageOf(weights, compute, types?.storedAs, frozen)
  const network = new TransfusionNetwork(sizes, compute, device, storage, lora)
  const { arena } = network
  try {
    const goesOn = isDeepStrictEqual(lora, storedLora)
    const storedParameters = transfusionParameters(model, storedLora)
    const stored = new Set(storedParameters.map(({ name }) => name))
    const isStored = ({ name }: Parameter) => stored.has(name) && (goesOn || !isFactor(name))
    using earlier = new ParameterArena(
      storedParameters.filter(({ name }) => !goesOn && isFactor(name)),
      'f32',
      device,
    )
    const expected = [...arena.everyParameter.filter(isStored), ...earlier.parameters]
    await readFolderWeights(expected, folder, listed, (parameter, piece) =>
      writePiece(earlier.parameters.includes(parameter) ? earlier : arena, parameter, piece),
    )
    if (quantised) await copyShared(arena, weightsPath, types!.storedAs)
    if (!goesOn) mergeStored(arena, storedParameters, earlier)
    copyTextWeights(arena, (parameter) => !isStored(parameter))
    if (!goesOn) arena.initialize(options.seed ?? 0, ({ name }) => isFactor(name))
    arena.updated()
  } catch (error) {
    network[Symbol.dispose]()
    codec?.[Symbol.dispose]?.()
    throw error
  }
  return { network, tokenizer, codec, chatTemplate, ...rest }
}

/** Merges the updates that a folder has beside its weights. */
function mergeStored(arena: ParameterArena, stored: readonly Parameter[], factors: ParameterArena): void {
  const byName = new Map(arena.everyParameter.map((parameter) => [parameter.name, parameter]))
  for (const { name, update } of stored)
    for (const each of update?.factors ?? [])
      mergeUpdate(arena, byName.get(name)!, { ...each, factor: update!.scale, values: factors })
}

/**
 * Reads a model folder's weights for a network of the same config; the function that it resolves with writes them into
 * it. Throws as `loadModel`, and where the config is another. `seal`: what `saveModel` has resolved with.
 */
export async function loadWeights(
  network: TransfusionNetwork,
  folder: string,
  verify = true,
  seal?: string,
): Promise<() => Promise<void>> {
  const { model, weights, lora, listed } = await readModelConfig(folder, verify)
  const own = quantisedAs(network.arena, false)
  if (weights !== own)
    throw new Error(
      `${listed.list}: its weights are ${weights ?? 'floats'}, the model has them as ${own ?? 'floats'}`,
    )
  const found = listed.checksums?.[files.config]
  if (seal && found && found !== seal)
    throw new DamagedFileError(
      listed.list,
      'is of another save than the checkpoint that it is in',
      listed.list,
    )
  refuseOtherConfig(model, network.config, listed.list)
  refuseOtherLora(lora, network.lora, listed.list, 'go on with the same, or begin a run with its weights')
  const tokenizer = await currentFile(folder, files.tokenizer)
  await readListed(tokenizer, { ...listed, name: files.tokenizer }, async (sum) =>
    sum?.add(await readFile(tokenizer)),
  )
  const read: [Parameter, WeightPiece][] = []
  await readFolderWeights(network.arena.everyParameter, folder, listed, (parameter, piece) => {
    read.push([parameter, { ...piece, data: piece.data.slice() }])
  })
  return async () => {
    for (const [parameter, piece] of read) await writePiece(network.arena, parameter, piece)
    network.arena.updated()
  }
}

async function readFolderWeights(
  expected: readonly Parameter[],
  folder: string,
  listed: { list: string; checksums: Checksums | undefined },
  write: (parameter: Parameter, piece: WeightPiece) => void | Promise<void>,
): Promise<void> {
  const path = await currentFile(folder, files.weights)
  await readListed(path, { ...listed, name: files.weights }, (sum) => readWeights(path, expected, write, sum))
}
