import { setImmediate } from 'node:timers/promises'
import { checkArguments } from '../arguments.js'
import { backward } from '../autograd/tape.js'
import { suggestion } from '../nearest.js'
import { withDevice } from '../tensor/device.js'
import { type ProductChoices, withProducts } from '../tensor/product_choices.js'
import { keep, scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import type { TaskLoss, TrainingTask } from './task.js'

/** The terms of a micro-batch's loss by name, each one element on the device. */
export type LossTerms = TaskLoss['terms']

/** What a micro-batch's passes leave besides gradients. */
export interface Passes {
  readonly terms: LossTerms
  /** For `TrainingTask.afterUpdate`. */
  readonly observed: Readonly<Record<string, Tensor>>
  /** The names of the companions that have gradients. */
  readonly companions: readonly string[]
}

/**
 * Adds the gradients of a micro-batch's losses to the arenas'. Resolves with what the caller frees by `freePasses`, or
 * `readTerms`. `companions`: the names of those there are. `products`: how those of all passes are computed; undefined: by
 * the fixed rule.
 */
export async function addGradients(
  task: TrainingTask,
  companions: readonly string[],
  microBatch: unknown,
  products: ProductChoices | undefined,
): Promise<Passes> {
  // Each pass is milliseconds of JavaScript: the event loop turns between them.
  await setImmediate()
  const {
    total,
    companions: others = {},
    terms,
    observed = {},
  } = withProducts(products, () =>
    withDevice(task.arena.device, () => scope(() => checkedLoss(task.loss(microBatch), companions))),
  )
  const passes = { terms, observed, companions: Object.keys(others) }
  const losses = [total, ...Object.values(others)]
  const hasFrozen = task.arena.fixed.parameters.length > 0
  try {
    for (const loss of losses) {
      await setImmediate()
      // With frozen parameters some losses, of text alone say, depend on none that is trained.
      if (loss.tapeEntry || !hasFrozen) withProducts(products, () => scope(() => backward(loss)))
    }
  } catch (error) {
    freePasses(passes)
    throw error
  } finally {
    // A loss may be reported as it is, too.
    const returned = new Set([...Object.values(terms), ...Object.values(observed)])
    for (const loss of losses) if (!returned.has(loss)) loss.free()
  }
  await setImmediate()
  return passes
}

/** Throws a TypeError that names what a task's loss lacks. */
function checkedLoss(loss: TaskLoss, names: readonly string[]): TaskLoss {
  const { total, companions = {}, terms, observed = {} } = loss
  checkArguments('TrainingTask.loss', { total: [total, 'tensor'], terms: [terms, 'object'] })
  for (const [part, tensors] of Object.entries({ companions, terms, observed }))
    for (const [name, tensor] of Object.entries(tensors))
      checkArguments('TrainingTask.loss', { [`${part}.${name}`]: [tensor, 'tensor'] })
  const unknown = Object.keys(companions).find((name) => !names.includes(name))
  if (unknown !== undefined)
    throw new TypeError(
      `TrainingTask.loss: companions.${unknown}: the task has no such companion${suggestion(unknown, names)}`,
    )
  return loss
}

/** Frees what a micro-batch's passes have left. */
export function freePasses(passes: Passes): void {
  freeObserved(passes)
  for (const tensor of Object.values(passes.terms)) tensor.free()
}

/** Frees what is no term. */
export function freeObserved({ terms, observed }: Passes): void {
  const reported = new Set(Object.values(terms))
  for (const tensor of Object.values(observed)) if (!reported.has(tensor)) tensor.free()
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
