import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { checkArguments, checkOptions } from '../../../arguments.js'
import { parseConfig } from '../../../config/parse.js'
import { sameNumber } from '../../../config/same_number.js'
import { formatValue } from '../../../describe.js'
import { type Objective, objectiveSchema } from '../../../diffusion/objective.js'
import type { ImageCodecConfig } from '../../../image/codec.js'
import type { LatentScaling } from '../../../image/latent_calibration.js'
import { autoencoderFolderName } from '../../autoencoder/held_autoencoder.js'
import { isGguf, openPretrained } from '../../llama/open.js'
import { currentDevice, parseDevice } from '../../../tensor/device.js'
import { boiRows, feedForwardOf, imageWeights, type OwnWeights, type TransfusionOptions } from '../config.js'
import { type LoadedModel, loadModel } from './folder.js'
import { readModelConfig } from './folder_config.js'
import { fromPretrained, type FromPretrainedOptions } from './from_pretrained.js'
import { locateModel } from './locate.js'
import { imagePreprocessingOf } from '../../../sequence/image_model.js'

/** Sizes of a model, as far as they are known. */
export type WeightSizes = Partial<Omit<TransfusionOptions, 'vocabulary' | 'tokens'>>

/** Options of a model that begins with the weights of another. */
export interface InitializeOptions extends Pick<
  FromPretrainedOptions,
  'objective' | 'compute' | 'device' | 'seed' | 'codec' | 'imagePreprocessing' | 'freeze' | 'lora'
> {
  /** What the weights' sizes must be, as far as given. A language model needs `image`, the sizes of the parts that it grows. */
  sizes?: WeightSizes
}

/**
 * A model to train that begins with the weights of a folder: a model folder of ours, or a language model of Hugging Face's (see
 * `fromPretrained`). Image positions may get weights of their own that the folder has not (`image.weights`): copies of the text's.
 * The tokenizer is the folder's, and so is what the options leave out. Throws an Error that names the first
 * size that differs, before any weight is read.
 */
export async function initializeFrom(named: string, options: InitializeOptions = {}): Promise<LoadedModel> {
  checkArguments('initializeFrom', { folder: [named, 'string'] })
  checkOptions('initializeFrom', options, {
    sizes: true,
    objective: true,
    compute: true,
    device: true,
    seed: true,
    codec: true,
    imagePreprocessing: true,
    freeze: true,
    lora: true,
  })
  parseDevice(options.device ?? currentDevice(), 'initializeFrom')
  const { folder, kind } = await locateModel(named)
  const { sizes = {}, objective = {}, compute, device, ...others } = options
  const path = isGguf(folder) ? folder : join(folder, 'config.json')
  if (kind === 'pretrained') {
    const { image, ...transformer } = sizes
    refuseDifference(path, transformer, withHeadSize((await readSizes(folder)).sizes))
    if (!image)
      throw new Error(`${folder}: a language model has no images; the sizes of its image parts are needed`)
    return fromPretrained(folder, { image, objective, compute, device, ...others })
  }
  const { codec } = others
  const stored = await readModelConfig(folder)
  if (stored.weights)
    throw new Error(
      `${path}: its weights cannot be taken: they are quantised (${stored.weights}), for inference alone; ` +
        "Transfusion.load(folder, { weights: 'f32' }) widens them",
    )
  // What the weights have read was scaled as it was measured then.
  const identity = (config: ImageCodecConfig | undefined) => ({ ...config, calibration: undefined })
  if (codec && !isDeepStrictEqual(identity(codec.config), identity(stored.codec)))
    throw new Error(
      `${path}: its weights cannot be taken: they were trained with another codec than the one given`,
    )
  const grown = grownWeights(sizes.image, stored.model.image)
  const found = withHeadSize((await readSizes(folder)).sizes)
  refuseDifference(path, sizes, { ...found, image: { ...found.image, ...grown } })
  // Another weighting trains on; another process or prediction would give what the network sees or says another meaning.
  const { process, prediction } = objective
  refuseDifference(path, { process, prediction }, stored.objective)
  const merged = {
    objective: parseConfig(objectiveSchema, { ...stored.objective, ...objective }, 'objective'),
    imagePreprocessing: imagePreprocessingOf(
      { network: { config: stored.model }, codec: stored.codecSizes },
      { ...stored.imagePreprocessing, ...others.imagePreprocessing },
    ),
  }
  codec?.[Symbol.dispose]?.()
  const { freeze, lora, seed } = others
  return { ...(await loadModel(folder, { compute, device, freeze, lora, seed }, grown)), ...merged }
}

/** Of two the more: what images lack begins as a copy of the text's or as 0, what they have is not given up. */
const grownWeights = (wanted: Partial<OwnWeights> = {}, stored: OwnWeights): OwnWeights => ({
  weights: later(imageWeights, wanted.weights, stored.weights),
  boi: later(boiRows, wanted.boi, stored.boi),
})

function later<T>(order: readonly T[], wanted: T | undefined, stored: T): T {
  return wanted !== undefined && order.indexOf(wanted) > order.indexOf(stored) ? wanted : stored
}

/** The sizes that the weights of a folder have, and of a model of ours its objective and autoencoder. Throws as `initializeFrom`. */
export async function readSizes(named: string): Promise<{
  sizes: WeightSizes
  objective?: Objective
  autoencoder?: string
  latentScale?: LatentScaling
}> {
  const { folder, kind } = await locateModel(named)
  if (kind === 'transfusion') {
    const { model, objective, codec } = await readModelConfig(folder)
    const { vocabulary: _, tokens: __, kvHeads = model.heads, ...sizes } = model
    return {
      sizes: { ...sizes, kvHeads, feedForward: feedForwardOf(model) },
      objective,
      ...(codec && codec.type !== 'pixels' && { autoencoder: join(folder, autoencoderFolderName) }),
      ...(codec?.type === 'autoencoder' && {
        latentScale: codec.calibration?.scale ? 'measured' : 'autoencoder',
      }),
    }
  }
  const { vocabulary: _, tied: __, bos: ___, eos: ____, ...sizes } = (await openPretrained(folder)).config
  return { sizes }
}

/** Sizes with that of the heads, which a config may set to what it is by default. */
const withHeadSize = (sizes: WeightSizes): WeightSizes => ({
  headSize: sizes.channels! / sizes.heads!,
  ...sizes,
})

function refuseDifference(path: string, wanted: object, stored: object): void {
  const difference = firstDifference(wanted, stored)
  if (difference) throw new Error(`${path}: its weights cannot be taken: ${difference}`)
}

/** "image.patch is 2, expected 4"; undefined where the two agree in all that is wanted. */
function firstDifference(wanted: object, stored: object, prefix = ''): string | undefined {
  for (const [key, value] of Object.entries(wanted)) {
    const found: unknown = stored[key as keyof typeof stored]
    if (value === undefined || value === found) continue
    // Off and left out are one.
    if (value === false && found === undefined) continue
    if (typeof value === 'number' && typeof found === 'number' && sameNumber(value, found)) continue
    if (typeof value !== 'object' || typeof found !== 'object' || !found)
      return `${prefix}${key} is ${formatValue(found)}, expected ${formatValue(value)}`
    const inside = firstDifference(value as object, found, `${prefix}${key}.`)
    if (inside) return inside
  }
  return undefined
}
