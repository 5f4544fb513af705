import type { Generation } from './generation.js'

/**
 * Generations that wait to be scheduled, in an order that is fair to clients: the next one is the first of the client
 * that has the fewest running, so that a single request does not wait for the thousands of a batch.
 */
export class RequestQueue {
  readonly #waiting = new Map<object, Set<Generation>>()
  /** Running generations by client. */
  readonly #running = new Map<object, number>()

  add(generation: Generation): void {
    const { client } = generation.request
    const waiting = this.#waiting.get(client) ?? new Set()
    this.#waiting.set(client, waiting.add(generation))
  }

  /** The generation to run next, and whether its client has none running. */
  next(): { generation: Generation; isClientsFirst: boolean } | undefined {
    let chosen: { generation: Generation; running: number } | undefined
    for (const [client, waiting] of this.#waiting) {
      const running = this.#running.get(client) ?? 0
      if (chosen && running >= chosen.running) continue
      const [generation] = waiting
      chosen = { generation: generation!, running }
      if (running === 0) break
    }
    return chosen && { generation: chosen.generation, isClientsFirst: chosen.running === 0 }
  }

  /** Takes a generation out of the queue and counts it as running. */
  start(generation: Generation): void {
    this.remove(generation)
    const { client } = generation.request
    this.#running.set(client, (this.#running.get(client) ?? 0) + 1)
  }

  /** A generation that was started runs no longer. */
  finish({ request: { client } }: Generation): void {
    const running = this.#running.get(client)! - 1
    if (running > 0) this.#running.set(client, running)
    else this.#running.delete(client)
  }

  /** Takes a generation out of the queue; returns false where it was not in it. */
  remove(generation: Generation): boolean {
    const { client } = generation.request
    const waiting = this.#waiting.get(client)
    const waited = waiting?.delete(generation) ?? false
    if (waiting?.size === 0) this.#waiting.delete(client)
    return waited
  }
}
