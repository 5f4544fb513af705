import { checkArguments } from '../arguments.js'
import type { GenerationEvent } from './events.js'
import type { GenerationListener } from './engine/generation_request.js'
import { onAbort } from './on_abort.js'

/** A generation that was submitted. */
export interface SubmittedGeneration {
  /** Ends it; its listener is told of the end. */
  cancel(error: unknown): void
  /** Lets it go on once the listener, which was full, takes events again. */
  resume(): void
}

interface Waiter {
  resolve(result: IteratorResult<GenerationEvent, void>): void
  reject(error: unknown): void
}

/** Events that are buffered for a slow consumer before its generation waits for it. */
const mostBuffered = 16
const finished: IteratorResult<GenerationEvent, void> = { done: true, value: undefined }
/** Ends a generation whose consumer has left. */
const consumerLeft = new Error('the consumer has left')

/**
 * The events of one generation as an async iterator. The generation is submitted by the first call of `next`. When the
 * consumer leaves (`return`, which `break` calls) it is cancelled, and `return` resolves once its memory is freed.
 */
export class GenerationStream
  implements AsyncGenerator<GenerationEvent, void, undefined>, GenerationListener
{
  readonly #prepare: () => Promise<(listener: GenerationListener) => SubmittedGeneration>
  readonly #signal: AbortSignal | undefined
  readonly #events: GenerationEvent[] = []
  readonly #waiters: Waiter[] = []
  readonly #returns: (() => void)[] = []
  #started = false
  #generation: SubmittedGeneration | undefined
  #stopListening = () => {}
  #ended: { failure: { error: unknown } | undefined } | undefined

  /** `prepare` gives the function that submits the generation. Where it rejects, or that throws, `next` rejects. */
  constructor(
    prepare: () => Promise<(listener: GenerationListener) => SubmittedGeneration>,
    signal: AbortSignal | undefined,
  ) {
    this.#prepare = prepare
    this.#signal = signal
  }

  get isFull(): boolean {
    return this.#events.length >= mostBuffered
  }

  onEvent(event: GenerationEvent): void {
    const waiter = this.#waiters.shift()
    if (waiter) waiter.resolve({ done: false, value: event })
    else this.#events.push(event)
  }

  onEnd(failure?: { error: unknown }): void {
    this.#stopListening()
    this.#ended = { failure: failure?.error === consumerLeft ? undefined : failure }
    for (const resolve of this.#returns.splice(0)) resolve()
    for (const waiter of this.#waiters.splice(0)) this.#settle(waiter)
  }

  next(): Promise<IteratorResult<GenerationEvent, void>> {
    if (!this.#started && !this.#ended) void this.#start()
    return new Promise((resolve, reject) => {
      const { isFull } = this
      const event = this.#events.shift()
      if (event) resolve({ done: false, value: event })
      else if (this.#ended) this.#settle({ resolve, reject })
      else this.#waiters.push({ resolve, reject })
      if (isFull) this.#generation!.resume()
    })
  }

  async return(): Promise<IteratorResult<GenerationEvent, void>> {
    this.#cancel(consumerLeft)
    if (!this.#ended) await new Promise<void>((resolve) => this.#returns.push(resolve))
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
      this.#stopListening = onAbort(this.#signal, () => this.#cancel(this.#signal!.reason))
      const submit = await this.#prepare()
      if (!this.#ended) this.#generation = submit(this)
    } catch (error) {
      if (!this.#ended) this.onEnd({ error })
    }
  }

  #cancel(error: unknown): void {
    this.#events.length = 0
    if (this.#ended) return
    if (this.#generation) this.#generation.cancel(error)
    else this.onEnd({ error })
  }

  /** Rejects with the failure the first time, and ends the iteration from then on. */
  #settle({ resolve, reject }: Waiter): void {
    const failure = this.#ended?.failure
    this.#ended = { failure: undefined }
    if (failure) reject(failure.error)
    else resolve(finished)
  }
}
