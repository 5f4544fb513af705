import { checkArguments } from '../arguments.js'
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
  readonly #prepare: () => Promise<(listener: Listener) => Begun>
  readonly #signal: AbortSignal | undefined
  readonly #events: GenerationEvent[] = []
  readonly #waiters: Waiter[] = []
  readonly #leavers: (() => void)[] = []
  #started = false
  #begun: Begun | undefined
  #stopListening = () => {}
  #ended: { failure: { error: unknown } | undefined } | undefined

  /** `prepare` may reject, and what it gives may throw: `next` then rejects. */
  constructor(prepare: () => Promise<(listener: Listener) => Begun>, signal: AbortSignal | undefined) {
    this.#prepare = prepare
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
    if (!this.#started && !this.#ended) void this.#start()
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

  async #start(): Promise<void> {
    this.#started = true
    try {
      checkArguments('generate', { 'options.signal': [this.#signal, 'signal'] })
      this.#signal?.throwIfAborted()
      this.#stopListening = onAbort(this.#signal, () => this.#giveUp(this.#signal!.reason))
      const begin = await this.#prepare()
      if (!this.#ended) this.#begun = begin(this)
    } catch (error) {
      if (!this.#ended) this.end({ error })
    }
  }

  #giveUp(error: unknown): void {
    this.#events.length = 0
    if (this.#ended) return
    if (this.#begun) this.#begun.cancel(error)
    else this.end({ error })
  }

  /** A failure is told once. */
  #settle({ resolve, reject }: Waiter): void {
    const failure = this.#ended?.failure
    this.#ended = { failure: undefined }
    if (failure) reject(failure.error)
    else resolve(finished)
  }
}
