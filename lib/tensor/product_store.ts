/** What `transfusion tune` has measured, kept for the user: a file for each GPU model, driver, build and cuBLASLt. */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { cacheFolder } from '../cache_folder.js'
import { parseConfig } from '../config/parse.js'
import { readJson, writeJson } from '../files/json_file.js'
import { makeFolder } from '../files/make_folder.js'
import { type Device, deviceInfo } from './device.js'
import { productChoiceSchema, productWaySchema } from './product_choices.js'

/** What measured times, and the algorithms of cuBLASLt, depend on. */
export const productMachineSchema = z.strictObject({
  /** The GPU, as its maker calls it. */
  gpu: z.string(),
  /** The newest version of CUDA that the driver knows. */
  driver: z.string(),
  /** Of our kernels. */
  build: z.string(),
  /** Its version; "": there is none. */
  cublaslt: z.string(),
})
export type ProductMachine = z.output<typeof productMachineSchema>

const measuredProductSchema = productChoiceSchema.omit({ measured: true }).extend({
  /** Of all ways. */
  times: z.array(z.strictObject({ way: productWaySchema, milliseconds: z.number().min(0) })),
})
/** A product, the fastest way of it, and how fast the others are. @useDeclaredType */
export type MeasuredProduct = z.output<typeof measuredProductSchema>

const storeSchema = z.strictObject({
  machine: productMachineSchema,
  products: z.array(measuredProductSchema),
})

/** Of a device; undefined on the CPU, whose products have one way. */
export function productMachine(device: Device): ProductMachine | undefined {
  const info = deviceInfo(device)
  if (!('build' in info)) return undefined
  const { name: gpu, driver, build, cublaslt } = info
  return { gpu, driver, build, cublaslt }
}

/** The file of what was measured on a machine. */
export function productFile(machine: ProductMachine): string {
  const { gpu, driver, build, cublaslt } = machine
  const key = createHash('sha256')
    .update(JSON.stringify([gpu, driver, build, cublaslt]))
    .digest('hex')
  const name = gpu.replaceAll(/[^A-Za-z0-9]+/g, '-').replaceAll(/^-|-$/g, '')
  return join(cacheFolder(), 'products', `${name}-${key.slice(0, 12)}.json`)
}

/** What was measured on a machine; nothing where nothing was. Throws an Error that names the file and what is wrong in it. */
export async function readProducts(machine: ProductMachine): Promise<readonly MeasuredProduct[]> {
  const path = productFile(machine)
  const written = await readJson(path, null)
  if (written === null) return []
  const stored = parseConfig(storeSchema, written, path)
  if (JSON.stringify(stored.machine) !== JSON.stringify(machine))
    throw new Error(`${path}: was measured on ${stored.machine.gpu}, or another build, under this name`)
  return stored.products
}

/** Rejects with an Error that names the folder where nothing can be kept. */
export async function checkProductFolder(machine: ProductMachine): Promise<void> {
  const folder = dirname(productFile(machine))
  try {
    await makeFolder(folder)
    await access(folder, constants.W_OK)
  } catch (error) {
    throw new Error(
      `${folder}: measurements cannot be kept there (${(error as Error).message}); XDG_CACHE_HOME may name another place`,
      { cause: error },
    )
  }
}

/** Adds what was measured, in place of what was known of the same products. Resolves to the file. */
export async function writeProducts(
  machine: ProductMachine,
  products: readonly MeasuredProduct[],
  earlier: readonly MeasuredProduct[],
): Promise<string> {
  const path = productFile(machine)
  const all = new Map([...earlier, ...products].map((product) => [JSON.stringify(product.shape), product]))
  await checkProductFolder(machine)
  await writeJson(path, { machine, products: [...all.values()] })
  return path
}
