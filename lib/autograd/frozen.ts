import type { GradientTarget } from '../tensor/tensor.js'

/** Parameters that ops record no gradient for; 'all': for none. */
export type Frozen = ReadonlySet<GradientTarget> | 'all'

const none: Frozen = new Set()
let frozen: Frozen = none

export const isFrozen = (target: GradientTarget): boolean => frozen === 'all' || frozen.has(target)

/** What is frozen at present. */
export const currentlyFrozen = (): Frozen => frozen

/** Runs `body`, which must be synchronous, with these parameters frozen, and no others. */
export function withFrozen<R>(targets: Frozen, body: () => R): R {
  const outer = frozen
  frozen = targets
  try {
    return body()
  } finally {
    frozen = outer
  }
}

/** Runs `body`, which must be synchronous, with these parameters frozen besides those that are. */
export function freezing<R>(targets: ReadonlySet<GradientTarget>, body: () => R): R {
  return withFrozen(frozen === 'all' ? frozen : new Set([...frozen, ...targets]), body)
}
