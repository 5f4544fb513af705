import { z } from 'zod'
import type { Device } from '../tensor/device.js'
import { productChoiceSchema, ProductChoices } from '../tensor/product_choices.js'
import {
  type ProductMachine,
  productMachine,
  productMachineSchema,
  readProducts,
} from '../tensor/product_store.js'

/** Of a checkpoint: how the products of training were computed, and on what. */
export const storedProductsSchema = z.strictObject({
  machine: productMachineSchema,
  choices: z.array(productChoiceSchema),
})
export type StoredProducts = z.output<typeof storedProductsSchema>

/**
 * How the matrix products of a training are computed on a GPU, where more than one way is allowed: as `transfusion tune` has
 * measured, or as cuBLASLt proposes. Checkpoints keep what was measured, so that a run has the same bits whether
 * it was stopped or not.
 */
export class TrainingProducts {
  readonly choices: ProductChoices
  readonly #machine: ProductMachine

  private constructor(machine: ProductMachine, choices: ProductChoices) {
    this.#machine = machine
    this.choices = choices
  }

  /** `stored`: those of the checkpoint that training goes on from. Undefined on the CPU. */
  static async open(
    device: Device,
    stored: StoredProducts | undefined,
    onWarning: (message: string) => void,
  ): Promise<TrainingProducts | undefined> {
    const machine = productMachine(device)
    if (!machine) return undefined
    if (stored) {
      const change = changeOf(stored.machine, machine)
      if (change) onWarning(change)
      if (isOfAlgorithms(stored.machine, machine))
        return new TrainingProducts(machine, new ProductChoices(stored.choices))
    }
    return new TrainingProducts(machine, new ProductChoices(await measuredChoices(machine, onWarning)))
  }

  /** What a checkpoint keeps: what was measured; other choices follow from the machine and the shape alone. */
  get stored(): StoredProducts {
    const measured = this.choices.list().filter(({ measured }) => measured)
    return {
      machine: this.#machine,
      choices: measured.map(({ shape, way }) => ({ shape, way, measured: true })),
    }
  }
}

async function measuredChoices(machine: ProductMachine, onWarning: (message: string) => void) {
  try {
    return (await readProducts(machine)).map(({ shape, way }) => ({ shape, way, measured: true }))
  } catch (error) {
    onWarning(`${(error as Error).message}\nIt is not used; \`transfusion tune\` writes it anew`)
    return []
  }
}

/** Whether algorithms of one machine are the same on the other. */
const isOfAlgorithms = (a: ProductMachine, b: ProductMachine): boolean =>
  a.gpu === b.gpu && a.cublaslt === b.cublaslt

const names = { gpu: 'GPU', cublaslt: 'cuBLASLt', driver: 'CUDA of the driver', build: 'build' } as const

/** What another machine means for the bits of a run, in words. */
function changeOf(earlier: ProductMachine, now: ProductMachine): string | undefined {
  const keys = (Object.keys(names) as (keyof ProductMachine)[]).filter((key) => earlier[key] !== now[key])
  if (keys.length === 0) return undefined
  const changes = keys.map((key) => `${names[key]} ${now[key] || 'none'}, was ${earlier[key] || 'none'}`)
  return (
    `matrix products: ${changes.join('; ')}: the run goes on with other roundings than it would have had there` +
    (isOfAlgorithms(earlier, now) ? '' : ', and with ways of computing them that are chosen anew')
  )
}
