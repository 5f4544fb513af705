import type { GenerationEvent } from '../events.js'

/** Hands events over in the order in which they were added, though some are known later than others. */
export class OrderedEvents {
  readonly #onEvent: (event: GenerationEvent) => void
  /** From the first on that is not known yet. */
  readonly #waiting: (GenerationEvent | Promise<GenerationEvent>)[] = []
  #delivered: Promise<void> | undefined

  constructor(onEvent: (event: GenerationEvent) => void) {
    this.#onEvent = onEvent
  }

  /** Resolves once all are handed over, rejects as the first that fails does; undefined where none waits. */
  get delivered(): Promise<void> | undefined {
    return this.#delivered
  }

  /** Events that are not known yet. */
  get pending(): number {
    return this.#waiting.filter((event) => event instanceof Promise).length
  }

  /** Hands it over at once where it is known and none before it waits. Those after one that fails are dropped. */
  add(event: GenerationEvent | Promise<GenerationEvent>): void {
    if (this.#delivered === undefined && !(event instanceof Promise)) return this.#onEvent(event)
    // Whoever reads `delivered` learns of it.
    if (event instanceof Promise) event.catch(() => {})
    this.#waiting.push(event)
    if (this.#delivered !== undefined) return
    this.#delivered = this.#deliver()
    this.#delivered.catch(() => {})
  }

  async #deliver(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      this.#onEvent(await next)
      this.#waiting.shift()
    }
    this.#delivered = undefined
  }
}
