import { setImmediate } from 'node:timers/promises'
import { checkArguments } from '../arguments.js'
import { backward } from '../autograd/tape.js'
import { withDevice } from '../tensor/device.js'
import { type ProductChoices, withProducts } from '../tensor/product_choices.js'
import { keep, scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import type { TaskLoss, TrainingTask } from './task.js'

/** The terms of a micro-batch's loss by name, each one element on the device. */
export type LossTerms = TaskLoss['terms']

/**
 * Adds a micro-batch's gradients to the arena's. Resolves with the terms of its loss, which the caller frees. `products`: how
 * those of both passes are computed; undefined: by the fixed rule.
 */
export async function addGradients(
  task: TrainingTask,
  microBatch: unknown,
  products: ProductChoices | undefined,
): Promise<LossTerms> {
  // Each pass is milliseconds of JavaScript: the event loop turns between them.
  await setImmediate()
  const loss = () => {
    const { total, terms } = task.loss(microBatch)
    checkArguments('TrainingTask.loss', { total: [total, 'tensor'], terms: [terms, 'object'] })
    for (const [name, term] of Object.entries(terms))
      checkArguments('TrainingTask.loss', { [`terms.${name}`]: [term, 'tensor'] })
    return { total, terms }
  }
  const { total, terms } = withProducts(products, () => withDevice(task.arena.device, () => scope(loss)))
  try {
    await setImmediate()
    withProducts(products, () => scope(() => backward(total)))
  } catch (error) {
    freeTerms(terms)
    throw error
  } finally {
    // A loss of one term may be that term.
    if (!Object.values(terms).includes(total)) total.free()
  }
  await setImmediate()
  return terms
}

/** Frees the terms of one micro-batch. */
export function freeTerms(terms: LossTerms): void {
  for (const tensor of Object.values(terms)) tensor.free()
}

/** The sums of a step's terms over its micro-batches, which it frees. The reads are enqueued at the call. */
export async function readTerms(microBatches: readonly LossTerms[]): Promise<Record<string, number>> {
  const names = new Set(microBatches.flatMap((terms) => Object.keys(terms)))
  const sums = [...names].map(async (name): Promise<[string, number]> => [
    name,
    await sumOf(microBatches.flatMap(({ [name]: tensor }) => tensor ?? [])),
  ])
  return Object.fromEntries(await Promise.all(sums))
}

async function sumOf(tensors: readonly Tensor[]): Promise<number> {
  const values = await Promise.all(tensors.map(readAndFree))
  return values.reduce((sum, [value]) => sum + value!, 0)
}

/** Enqueues the read; the memory is given back in stream order, after it. */
export function readAndFree(tensor: Tensor): Promise<Float32Array> {
  const values = keep(tensor).readFloats()
  tensor.free()
  return values
}
