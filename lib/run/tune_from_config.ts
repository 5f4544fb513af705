/** What `transfusion tune` does, for programs: a config in, what its training's products are fastest by out. */
import { checkArguments, checkOptions } from '../arguments.js'
import { given } from '../config/given.js'
import { parseConfig } from '../config/parse.js'
import { openSources } from '../datasets/data_config.js'
import { givenConfig } from './given_config.js'
import { type Device, parseDevice, trimMemory } from '../tensor/device.js'
import { measureProduct, type ProductShape, type ProductTime } from '../tensor/product_choices.js'
import {
  checkProductFolder,
  type MeasuredProduct,
  type ProductMachine,
  productMachine,
  readProducts,
  writeProducts,
} from '../tensor/product_store.js'
import { silent } from './messages.js'
import { modelRun } from './model_runs.js'
import { checkNewModel } from './train_checks.js'
import { withSizesOfWeights } from './sizes_of_weights.js'
import { type TrainConfig, trainConfigSchema, type WrittenTrainConfig } from './train_config.js'

/** Where to measure, and what is told meanwhile. */
export interface TuneOptions {
  /** A GPU, in place of the config's device. */
  device?: Device
  /** The folder whose weights the training begins with, as `transfusion train` takes it. */
  init?: string
  /** Settings that replace the config's, as `--set` takes them: `training.batchSize=8`. */
  set?: readonly string[]
  /** Ends it after the product that is measured; nothing is kept then. */
  signal?: AbortSignal
  /** Called once it is known how many products are to be measured. */
  onShapes?: (count: number) => void
  /** Called after each. */
  onProduct?: (product: MeasuredProduct) => void
  /** Receives warnings: of a damaged file of earlier measurements, which is written anew. */
  onWarning?: (line: string) => void
}

const optionKeys = {
  device: true,
  init: true,
  set: true,
  signal: true,
  onShapes: true,
  onProduct: true,
  onWarning: true,
} as const satisfies Record<keyof TuneOptions, true>

/** What a call of {@link tuneFromConfig} came to. */
export interface TuneResult {
  /** Each with the fastest way of it, and the times of all. */
  products: readonly MeasuredProduct[]
  /** The file that has them, beside those that were measured before. */
  file: string
}

/** Steps of training that are taken to see its products: batches differ in length. */
const recordedSteps = 2
/** Lengths of a batch that differ by less are measured once. */
const sameLength = 1.25
/** A way of cuBLASLt is taken where it is faster by more: other tiles have the same bits. */
const leastGain = 1.02

/**
 * Takes two steps of a config's training on a GPU, without writing anything, measures each way of the matrix products in them,
 * and keeps the fastest ones for this GPU, driver, build and cuBLASLt: training takes them from then on, unless
 * `training.products` is 'own'. `config`: the path of a config file, or what such a file holds.
 *
 * @throws ConfigError that lists each wrong setting with what would be right
 * @throws Error where the device is no GPU, or data cannot be read
 */
export async function tuneFromConfig(
  config: string | WrittenTrainConfig,
  options: TuneOptions = {},
): Promise<TuneResult> {
  checkArguments('tuneFromConfig', { config: [config, 'configOrPath'] })
  checkOptions('tuneFromConfig', options, optionKeys)
  const { init, signal, onShapes, onProduct } = options
  const { onWarning } = { ...silent, ...given(options) }
  const { name, written } = await givenConfig(config, options)
  const parsed = parseConfig(trainConfigSchema, await withSizesOfWeights(written, undefined, init), name)
  const gpu = parseDevice(parsed.device, name)
  const machine = productMachine(gpu)
  if (!machine)
    throw new Error(
      `${name}: device must be a GPU, received "${gpu}": there, products are computed in one way`,
    )
  await checkNewModel(parsed, name)
  // Before minutes go into measuring.
  await checkProductFolder(machine)
  const earlier = await readEarlier(machine, onWarning)
  const shapes = distinctLengths(await recordShapes(parsed, written, init))
  trimMemory(gpu)
  onShapes?.(shapes.length)
  const products: MeasuredProduct[] = []
  for (const shape of shapes) {
    signal?.throwIfAborted()
    const times = [...(await measureProduct(shape, gpu))]
    const product = { shape, way: fastest(times).way, times }
    products.push(product)
    onProduct?.(product)
  }
  return { products, file: await writeProducts(machine, products, earlier) }
}

async function readEarlier(machine: ProductMachine, onWarning: (line: string) => void) {
  try {
    return await readProducts(machine)
  } catch (error) {
    onWarning(`${(error as Error).message}\nIt is written anew`)
    return []
  }
}

/** The products of a model's first steps. */
async function recordShapes(
  config: TrainConfig,
  written: unknown,
  init: string | undefined,
): Promise<ProductShape[]> {
  const run = modelRun(config)
  const data = { sources: await openSources(config.data, run), onSkip: () => {} }
  using model = await (init ? run.initialize(init, written, data) : run.create(data))
  using trainer = model.trainer(data, { steps: recordedSteps, minutes: undefined, products: 'fastest' })
  await trainer.run()
  return trainer.products.filter(({ calls }) => calls > 0).map(({ shape }) => shape)
}

/** The axis that a batch's positions are: what is computed from them, or summed over. */
const lengthOf = ({ transposeA }: ProductShape) => (transposeA ? 'k' : 'm')

/** Of products that differ in the length of a batch alone, those whose lengths are not nearly the same; the longest first. */
export function distinctLengths(shapes: readonly ProductShape[]): ProductShape[] {
  const kept: ProductShape[] = []
  const isAlike = (a: ProductShape, b: ProductShape) => {
    const key = lengthOf(a)
    return (
      JSON.stringify({ ...a, [key]: 0 }) === JSON.stringify({ ...b, [key]: 0 }) &&
      b[key] < sameLength * a[key]
    )
  }
  for (const shape of shapes.toSorted((a, b) => b[lengthOf(b)] - a[lengthOf(a)]))
    if (!kept.some((longer) => isAlike(shape, longer))) kept.push(shape)
  return kept
}

const least = (times: readonly ProductTime[]): ProductTime | undefined =>
  times.toSorted((a, b) => a.milliseconds - b.milliseconds)[0]

/** Of a product's ways the one in tiles of ours that is fastest. */
export const fastestTile = (times: readonly ProductTime[]): ProductTime =>
  least(times.filter(({ way }) => !way.startsWith('cublaslt')))!

/** The fastest way of a product; of tiles of ours, unless cuBLASLt is faster by 2%. */
export function fastest(times: readonly ProductTime[]): ProductTime {
  const [best, tile] = [least(times)!, fastestTile(times)]
  return tile.milliseconds <= leastGain * best.milliseconds ? tile : best
}
