import { z } from 'zod'
import { native } from '../native.js'
import type { NativeProducts, NativeProductShape } from '../native_types.js'
import { parseConfig } from '../config/parse.js'
import { type Device, deviceNumber, parseDevice } from './device.js'
import { dtypeCodes } from './dtype.js'

const size = z.int().positive()
const floatSchema = z.enum(['f32', 'bf16'])

/** All that a choice may depend on: y [batch, m, n], the product of a [batch, m, k] and b [batch, k, n]. */
export const productShapeSchema = z.strictObject({
  /** Of a and b. */
  dtype: floatSchema,
  /** Of y. */
  yDtype: floatSchema,
  /** a lies [k, m]. */
  transposeA: z.boolean(),
  /** b lies [n, k]. */
  transposeB: z.boolean(),
  /** A row of biases is added. */
  bias: z.boolean(),
  /** What y holds is added. */
  accumulate: z.boolean(),
  /** All rows of a and b are whole runs of 16 bytes, at multiples of 16. */
  aligned: z.boolean(),
  /** Products of one call. */
  batch: size,
  /** Rows of y. */
  m: size,
  /** Columns of y. */
  n: size,
  /** What each element of y sums over. */
  k: size,
})
/** A product of matrices, as its way may depend on it. @useDeclaredType */
export type ProductShape = z.output<typeof productShapeSchema>

/**
 * How a product is computed: in tiles by a fixed rule; in small, medium or large ones, with the same bits; or by an algorithm
 * of cuBLASLt's, as 128 hexadecimal digits.
 */
export const productWaySchema = z
  .string()
  .regex(
    /^(fixed|small|medium|large|cublaslt [0-9a-f]{128})$/,
    'expected "fixed", "small", "medium", "large" or "cublaslt" and 128 hexadecimal digits',
  )

/** A product and the way that it takes. */
export const productChoiceSchema = z.strictObject({
  /** The product. */
  shape: productShapeSchema,
  /** How it is computed. */
  way: productWaySchema,
  /** It stands for shapes that differ in the length of a batch alone, up to twice as long or short. */
  measured: z.boolean(),
})
export type ProductChoice = z.output<typeof productChoiceSchema>

/** One way of a product, as measured. */
export interface ProductTime {
  /** "small", "medium", "large": tiles of ours; "cublaslt" and an algorithm. */
  readonly way: string
  /** The median. */
  readonly milliseconds: number
}

const names = ['f32', 'bf16'] as const

const toNative = (shape: ProductShape): NativeProductShape => ({
  ...shape,
  dtype: dtypeCodes[shape.dtype],
  yDtype: dtypeCodes[shape.yDtype],
})

const fromNative = (shape: NativeProductShape): ProductShape => ({
  ...shape,
  dtype: names[shape.dtype]!,
  yDtype: names[shape.yDtype]!,
})

let current: NativeProducts | undefined

/**
 * Ways that the products of a piece of work take on a GPU. Those of shapes that were not added are chosen as they come: as
 * the nearest length was measured, else cuBLASLt's first proposal for large ones of bf16, which depends on the GPU, its version and the shape alone, else the fixed
 * rule. Without choices every product takes the fixed rule. On the CPU there is one way, and nothing to choose.
 */
export class ProductChoices {
  readonly #choices = native.create_products()

  constructor(choices: Iterable<ProductChoice> = []) {
    for (const { shape, way, measured } of choices)
      native.set_product(this.#choices, toNative(shape), way, measured)
  }

  /** Runs `body`, which must be synchronous, with these choices for its ops. */
  run<R>(body: () => R): R {
    const outer = current
    current = this.#choices
    native.use_products(current)
    try {
      return body()
    } finally {
      current = outer
      native.use_products(outer)
    }
  }

  /** What was added, and what was chosen, in a fixed order; `calls`: how many products took it so far. */
  list(): (ProductChoice & { calls: number })[] {
    return native
      .list_products(this.#choices)
      .map(({ shape, ...rest }) => ({ shape: fromNative(shape), ...rest }))
  }
}

/** Runs `body`, which must be synchronous, with these choices, or with none: by the fixed rule. */
export const withProducts = <R>(choices: ProductChoices | undefined, body: () => R): R =>
  choices ? choices.run(body) : body()

const timesSchema = z.array(z.strictObject({ way: productWaySchema, milliseconds: z.number().min(0) }))

/**
 * Measures each way in which a device, a GPU, can compute a product, on random numbers: the median of `samples` runs of
 * each. Other work of the device waits meanwhile. Rejects where memory is out.
 */
export async function measureProduct(
  shape: ProductShape,
  device: Device,
  samples = 5,
): Promise<readonly ProductTime[]> {
  const number = deviceNumber(parseDevice(device, 'measureProduct'))
  const json = await native.measure_product(toNative(shape), samples, number)
  return parseConfig(timesSchema, JSON.parse(Buffer.from(json).toString()), 'measure_product')
}
