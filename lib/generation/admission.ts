import type { Generation } from './generation.js'

/**
 * Generations that wait for their turn, fair to their callers: next is the first of the caller who has the fewest
 * under way, so that a batch of thousands does not keep a single one waiting.
 */
export class Admission {
  readonly #waiting = new Map<object, Set<Generation>>()
  readonly #underWay = new Map<object, number>()

  add(generation: Generation): void {
    const { caller } = generation.request
    const waiting = this.#waiting.get(caller) ?? new Set()
    this.#waiting.set(caller, waiting.add(generation))
  }

  /** The generation whose turn it is, and whether its caller has none under way. */
  next(): { generation: Generation; first: boolean } | undefined {
    let chosen: { generation: Generation; underWay: number } | undefined
    for (const [caller, waiting] of this.#waiting) {
      const underWay = this.#underWay.get(caller) ?? 0
      if (chosen && underWay >= chosen.underWay) continue
      const [generation] = waiting
      chosen = { generation: generation!, underWay }
      if (underWay === 0) break
    }
    return chosen && { generation: chosen.generation, first: chosen.underWay === 0 }
  }

  /** Its turn has come. */
  admit(generation: Generation): void {
    this.remove(generation)
    const { caller } = generation.request
    this.#underWay.set(caller, (this.#underWay.get(caller) ?? 0) + 1)
  }

  /** One that was admitted has ended. */
  leave({ request: { caller } }: Generation): void {
    const left = this.#underWay.get(caller)! - 1
    if (left > 0) this.#underWay.set(caller, left)
    else this.#underWay.delete(caller)
  }

  /** One that waits is to wait no more; whether it did. */
  remove(generation: Generation): boolean {
    const { caller } = generation.request
    const waiting = this.#waiting.get(caller)
    const waited = waiting?.delete(generation) ?? false
    if (waiting?.size === 0) this.#waiting.delete(caller)
    return waited
  }
}
