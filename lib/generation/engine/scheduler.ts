import type { EncodedPart } from '../../sequence/image_parts.js'
import type { ImagePart, Part } from '../../sequence/document.js'
import { advance, sequenceStart } from '../../sequence/metadata.js'
import type { DocumentFormat, Generation } from './generation.js'
import { isGuided } from '../image_sampling.js'
import type { Limits } from './limits.js'
import { partsOf } from './model_batch.js'
import { sharePrefillBudget } from './prefill_budget.js'
import { firstParts } from '../prompt.js'
import { RequestQueue } from './request_queue.js'
import type { SequenceCache } from './sequence_cache.js'
import type { ScheduledRequest } from './scheduled_request.js'

/** Slots that a sequence gets for its text at first; it gets more as it grows. */
const firstTextSlots = 64
/** Positions of a prompt that a step reads at least, where the prompt has them: fewer are not worth a step. */
const leastPrefill = 256
/**
 * Most generations that append a placeholder for a token that is not read yet. Their part of the step is discarded where the
 * token is no text; but a call of few positions takes as long as one of fewer, and the device does not wait for JavaScript.
 */
const mostPlaceholders = 16

/**
 * Decides which generations run, and what each adds to the next step.
 *
 * Every running generation takes part in every step, so the number of steps that one takes does not depend on the others.
 * How many run is bounded by what a call may come to (limits.ts); the queue is fair to clients (request_queue.ts); a prompt
 * that is longer than its share of a step is read in several (prefill_budget.ts).
 */
export class Scheduler {
  readonly #limits: Limits
  readonly #format: DocumentFormat
  readonly #cache: SequenceCache
  /** Positions of an image. */
  readonly #patches: number
  readonly #queue = new RequestQueue()
  /** In the order in which they were started. */
  readonly #running = new Set<Generation>()
  /** Steps so far: where more run than one call takes, another is the first each time. */
  #steps = 0

  constructor(format: DocumentFormat, limits: Limits, cache: SequenceCache) {
    this.#limits = limits
    this.#format = format
    this.#cache = cache
    this.#patches = advance(sequenceStart, [format.image], format.patch).length
  }

  get running(): ReadonlySet<Generation> {
    return this.#running
  }

  /** Puts a generation into the queue. */
  add(generation: Generation): void {
    this.#queue.add(generation)
  }

  /** Takes a generation out of the queue; returns false where it is not in it. */
  remove(generation: Generation): boolean {
    return this.#queue.remove(generation)
  }

  /** Takes those out that are done or have failed, with what they hold, and returns them. */
  releaseEnded(): Generation[] {
    const ended = [...this.#running].filter(({ done, failure }) => done || failure)
    for (const generation of ended) {
      for (const sequence of [generation.conditional, generation.unconditional])
        if (sequence) this.#cache.close(sequence)
      generation.hasImageState = false
      this.#running.delete(generation)
      this.#queue.finish(generation)
    }
    return ended
  }

  /** Starts generations from the queue while a step and the cache have room for them. */
  startWaiting(): void {
    const ready = [...this.#running].filter(({ listener }) => !listener.isFull)
    let load = sum(ready.map((generation) => this.#weight(generation)))
    let prefill = sum(ready.map((generation) => this.#leastPrefill(generation)))
    for (let next = this.#queue.next(); next; next = this.#queue.next()) {
      const { generation, isClientsFirst } = next
      load += this.#weight(generation)
      prefill += this.#leastPrefill(generation)
      const most = isClientsFirst ? 2 * this.#limits.positions : this.#limits.positions
      const isAlone = load === this.#weight(generation)
      if (!isAlone && Math.max(load, prefill) > most) return
      generation.conditional = this.#cache.open(this.#firstSlots(generation), isAlone)
      if (!generation.conditional) return
      this.#queue.start(generation)
      this.#running.add(generation)
      generation.onStarted()
    }
  }

  /** What takes part in the next step; empty where nothing can. */
  schedule(): ScheduledRequest[] {
    const active = [...this.#running].filter(({ isReady }) => isReady)
    const first = active.length > 0 ? this.#steps++ % active.length : 0
    const budgets = this.#prefillBudgets(active)
    const async = this.allowsAsync
    const scheduled: ScheduledRequest[] = []
    const withoutRoom: ScheduledRequest[] = []
    let load = 0
    // More than one call takes can be active only where generations whose listeners were full go on again.
    const isOverfull = sum(active.map((generation) => this.#weight(generation))) > 2 * this.#limits.positions
    const order = isOverfull ? [...active.slice(first), ...active.slice(0, first)] : active
    for (const generation of order) {
      const input = generation.nextInput(budgets.get(generation) ?? 0, async)
      if (!input) continue
      load += this.#weight(generation)
      if (scheduled.length > 0 && load > 2 * this.#limits.positions) break
      const request = { generation, input }
      ;(this.#makeRoom(request, false) ? scheduled : withoutRoom).push(request)
    }
    // Those without room wait until others have ended; where nothing else can run, the cache exceeds its limit.
    const [stuck] = withoutRoom
    if (scheduled.length === 0 && stuck && this.#makeRoom(stuck, true)) scheduled.push(stuck)
    return scheduled
  }

  /**
   * Whether those that await a sampled token are few enough to append placeholders, so that the next step is enqueued
   * before the token is read.
   */
  get allowsAsync(): boolean {
    let awaiting = 0
    for (const { failure, allowsPlaceholder } of this.#running) if (!failure && allowsPlaceholder) awaiting++
    return awaiting <= mostPlaceholders
  }

  /** Frees the slots that the requests of an enqueued step need no longer. */
  releaseUnconditional(requests: readonly ScheduledRequest[]): void {
    for (const { generation, input } of requests) {
      if (input.type === 'append' || !input.isLast || !generation.unconditional) continue
      this.#cache.close(generation.unconditional)
      generation.unconditional = undefined
    }
  }

  /** Positions of its prompt that each generation reads in a step. */
  #prefillBudgets(active: readonly Generation[]): ReadonlyMap<Generation, number> {
    const reading = active.filter(({ readsPrompt }) => readsPrompt)
    const budgets = sharePrefillBudget(
      reading.map((generation) => ({
        least: this.#leastPrefill(generation),
        most: positionsOf(generation.unread, this.#format.patch),
      })),
      this.#limits.positions,
    )
    return new Map(reading.map((generation, i) => [generation, budgets[i]!]))
  }

  /** The most that a generation adds to a call, its prompt aside, in positions. */
  #weight({ request: { settings, imageSampling } }: Generation): number {
    const token = this.#limits.token + 1
    if (settings.maxImages === 0) return token
    if (this.#format.codes) return (isGuided(imageSampling) ? 2 : 1) * token
    return Math.max((isGuided(imageSampling) ? 2 : 1) * (this.#patches + 2), this.#patches + token)
  }

  /** The least of its prompt that a generation reads in a step, in positions. */
  #leastPrefill(generation: Generation): number {
    if (!generation.readsPrompt) return 0
    const [first] = firstParts(generation.unread, leastPrefill, this.#format.patch)
    return positionsOf(first, this.#format.patch)
  }

  /** Slots for the prompt, an image, and some text. */
  #firstSlots({ request: { prompt, settings }, mostPositions }: Generation): number {
    const image = settings.maxImages > 0 ? this.#patches + 2 : 0
    const text = Math.min(settings.maxTokens, firstTextSlots)
    return Math.min(positionsOf(prompt, this.#format.patch) + image + text, mostPositions)
  }

  /** Finds slots for what a request adds; false where the cache has none, unless `must`. */
  #makeRoom(request: ScheduledRequest, must: boolean): boolean {
    const { generation } = request
    const { patch, tokens } = this.#format
    const { conditional, unconditional } = partsOf(request, tokens)
    if (unconditional.length > 0) {
      // Where images are tokens they follow, one a step.
      const size = positionsOf(unconditional, patch) + (this.#format.codes ? this.#patches : 0)
      generation.unconditional ??= this.#cache.open(size, must)
      if (!generation.unconditional) return false
    }
    const sequence = generation.conditional!
    const { length } = advance(sequence.cursor, conditional, patch)
    if (length <= sequence.size) return true
    const ample = Math.max(length, Math.min(2 * sequence.size, generation.mostPositions))
    return this.#cache.extend(sequence, ample) || this.#cache.extend(sequence, length, must)
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

const positionsOf = (parts: readonly Part<EncodedPart | ImagePart>[], patch: number): number =>
  advance(sequenceStart, parts, patch).length
