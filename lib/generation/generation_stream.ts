import type { GenerationEvent } from './events.js'
import type { Listener } from './generation.js'
import { onAbort } from './on_abort.js'

/** A generation that was begun. */
export interface Begun {
  /** Gives it up; its listener hears of the end. */
  cancel(error: unknown): void
  /** To be called when the listener is no longer full. */
  resume(): void
}

interface Waiter {
  resolve(result: IteratorResult<GenerationEvent, void>): void
  reject(error: unknown): void
}

/** Events that are held for a slow consumer, until its generation waits for it. */
const mostHeld = 16
const finished: IteratorResult<GenerationEvent, void> = { done: true, value: undefined }
/** Why a generation ends whose consumer has left. */
const left = new Error('the consumer has left')

/**
 * The events of one generation as its consumer asks for them. It begins with the first call of `next`. When the consumer
 * leaves (`return`, which `break` calls) the generation is given up, and `return` resolves once all is freed.
 */
export class GenerationStream implements AsyncGenerator<GenerationEvent, void, undefined>, Listener {
  readonly #begin: (listener: Listener) => Begun
  readonly #signal: AbortSignal | undefined
  readonly #events: GenerationEvent[] = []
  readonly #waiters: Waiter[] = []
  readonly #leavers: (() => void)[] = []
  #begun: Begun | undefined
  #stopListening = () => {}
  #ended: { failure: { error: unknown } | undefined } | undefined

  /** `begin` may throw: `next` then rejects. */
  constructor(begin: (listener: Listener) => Begun, signal: AbortSignal | undefined) {
    this.#begin = begin
    this.#signal = signal
  }

  get full(): boolean {
    return this.#events.length >= mostHeld
  }

  event(event: GenerationEvent): void {
    const waiter = this.#waiters.shift()
    if (waiter) waiter.resolve({ done: false, value: event })
    else this.#events.push(event)
  }

  end(failure?: { error: unknown }): void {
    this.#stopListening()
    const consumerLeft = failure?.error === left
    this.#ended = { failure: consumerLeft ? undefined : failure }
    for (const leave of this.#leavers.splice(0)) leave()
    for (const waiter of this.#waiters.splice(0)) this.#settle(waiter)
  }

  next(): Promise<IteratorResult<GenerationEvent, void>> {
    if (!this.#begun && !this.#ended) this.#start()
    return new Promise((resolve, reject) => {
      const { full } = this
      const event = this.#events.shift()
      if (event) resolve({ done: false, value: event })
      else if (this.#ended) this.#settle({ resolve, reject })
      else this.#waiters.push({ resolve, reject })
      if (full) this.#begun!.resume()
    })
  }

  async return(): Promise<IteratorResult<GenerationEvent, void>> {
    if (!this.#begun) this.#ended ??= { failure: undefined }
    this.#giveUp(left)
    if (!this.#ended) await new Promise<void>((resolve) => this.#leavers.push(resolve))
    this.#ended = { failure: undefined }
    return finished
  }

  async throw(error: unknown): Promise<IteratorResult<GenerationEvent, void>> {
    await this.return()
    throw error
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #start(): void {
    try {
      this.#signal?.throwIfAborted()
      this.#begun = this.#begin(this)
      this.#stopListening = onAbort(this.#signal, () => this.#giveUp(this.#signal!.reason))
    } catch (error) {
      this.#ended = { failure: { error } }
    }
  }

  #giveUp(error: unknown): void {
    this.#events.length = 0
    if (!this.#ended) this.#begun!.cancel(error)
  }

  /** A failure is told once. */
  #settle({ resolve, reject }: Waiter): void {
    const failure = this.#ended?.failure
    this.#ended = { failure: undefined }
    if (failure) reject(failure.error)
    else resolve(finished)
  }
}
