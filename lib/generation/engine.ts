/**
 * The engine: one per model. In rounds, each of them one call of the network, it advances all generations that are
 * under way: some read their prompts, some add a token, some denoise an image, each with its own options. They come and
 * leave between rounds.
 *
 * Fairness. Every generation under way has its turn in every round, so that how many rounds one takes does not depend on
 * the others. How many are under way is bounded (limits.ts), and who comes next is admission.ts's; a prompt that is
 * longer than its share of a round is read in several.
 *
 * One round ahead. The next round is enqueued while one is under way, so that the device never waits for JavaScript: a
 * token that is still being drawn goes into it as it stands on the device. Where it turns out not to be text, what the
 * round made of it counts for nothing.
 */
import type { EncodedPart } from '../sequence/image_parts.js'
import type { GenerativeNetwork } from './model.js'
import type { ImagePart, Part } from '../sequence/document.js'
import { advance, sequenceStart } from '../sequence/layout.js'
import { Job } from '../tensor/job.js'
import { Admission } from './admission.js'
import { isGuided } from './image_sampling.js'
import { type Framing, Generation, type GenerationRequest, type Listener } from './generation.js'
import { type Limits, limitsOf } from './limits.js'
import { type Entry, spansOf } from './plan.js'
import { firstParts } from './prompt.js'
import { type Round, Rounds } from './round.js'
import { SequenceCache } from './sequence_cache.js'
import { shareBudget } from './share_budget.js'
import type { Turn, TurnResult } from './turn.js'

/** Slots that a sequence has for its text at first; more are found as it grows. */
const firstTokens = 64
/** Positions of a prompt that are worth a turn. */
const leastOfPrompt = 256
/**
 * So many go ahead of the tokens that are being drawn: in vain where these are not text, but a call of few positions takes
 * as long as one of fewer, and the device need not wait until JavaScript has read a token.
 */
const mostAhead = 16

const engines = new WeakMap<GenerativeNetwork, Engine>()

/** The engine of a model. */
export function engineOf(network: GenerativeNetwork): Engine {
  const engine = engines.get(network) ?? new Engine(network)
  engines.set(network, engine)
  return engine
}

export class Engine {
  readonly #limits: Limits
  readonly #framing: Framing
  /** Positions of an image. */
  readonly #patches: number
  readonly #admission = new Admission()
  /** Under way, in the order in which they came. */
  readonly #active = new Set<Generation>()
  readonly #cache: SequenceCache
  readonly #rounds: Rounds
  #job = new Job()
  #running = false
  /** How many rounds there have been: with more under way than a call takes, others are first each time. */
  #turn = 0

  constructor(network: GenerativeNetwork, limits: Limits = limitsOf(network)) {
    const { image } = network.config
    const drawn: ImagePart = { type: 'image', height: image.height, width: image.width }
    this.#limits = limits
    this.#framing = { tokens: network.config.tokens, drawn, patch: image.patch }
    this.#patches = advance(sequenceStart, [drawn], image.patch).length
    this.#cache = new SequenceCache(network, limits.slots)
    this.#rounds = new Rounds(network, this.#cache)
  }

  /** Begins a generation as soon as it is its turn. */
  submit(request: GenerationRequest, listener: Listener): Generation {
    const generation = new Generation(request, this.#framing, listener)
    this.#admission.add(generation)
    this.wake()
    return generation
  }

  /** Gives a generation up; its listener hears of the end once nothing is held for it. */
  cancel(generation: Generation, error: unknown): void {
    if (generation.done || generation.failure) return
    generation.failure = { error }
    if (this.#admission.remove(generation)) return generation.listener.end(generation.failure)
    // What is enqueued is dropped where nobody else needs it.
    if ([...this.#active].every(({ failure }) => failure)) this.#job.cancel()
    this.wake()
  }

  /** To be called when a listener is no longer full. */
  wake(): void {
    if (this.#running) return
    this.#running = true
    // In a task of its own, so that all that is submitted together begins together.
    queueMicrotask(() => void this.#run())
  }

  async #run(): Promise<void> {
    let earlier: Promise<void> = Promise.resolve()
    let unfinished = false
    for (;;) {
      this.#retire()
      this.#admit()
      const round = this.#enqueue()
      if (round) {
        const delivered = this.#deliver(round, earlier)
        // One round may be unfinished while the next is enqueued, unless that depends on what comes of it.
        await (this.#goesAhead() ? earlier : delivered)
        earlier = delivered
        unfinished = true
      } else if (unfinished) {
        await earlier
        unfinished = false
      } else break
    }
    // Nothing is under way, or all wait for their listeners.
    this.#running = false
  }

  /** Lets those go that are done or given up, and frees what they held. */
  #retire(): void {
    const left = [...this.#active].filter(({ done, failure }) => done || failure)
    for (const generation of left) {
      for (const sequence of [generation.conditional, generation.unconditional])
        if (sequence) this.#cache.close(sequence)
      generation.onCanvas = false
      this.#active.delete(generation)
      this.#admission.leave(generation)
    }
    if (this.#active.size === 0) this.#reset()
    for (const { listener, failure } of left) listener.end(failure)
  }

  /** Frees what is kept between rounds. */
  #reset(): void {
    this.#rounds[Symbol.dispose]()
    this.#cache[Symbol.dispose]()
    this.#job[Symbol.dispose]()
    this.#job = new Job()
  }

  // ---- who takes part ----

  #admit(): void {
    const ready = [...this.#active].filter(({ listener }) => !listener.full)
    let load = sum(ready.map((generation) => this.#weight(generation)))
    let reading = sum(ready.map((generation) => this.#leastOfPrompt(generation)))
    for (let next = this.#admission.next(); next; next = this.#admission.next()) {
      const { generation, first } = next
      load += this.#weight(generation)
      reading += this.#leastOfPrompt(generation)
      const most = first ? 2 * this.#limits.positions : this.#limits.positions
      const only = load === this.#weight(generation)
      if (!only && Math.max(load, reading) > most) return
      const { settings } = generation.request
      const image = settings.maxImages > 0 ? this.#patches + 2 : 0
      const room =
        positions(generation.request.prompt, this.#framing.patch) +
        image +
        Math.min(settings.maxTokens, firstTokens)
      generation.conditional = this.#cache.open(Math.min(room, generation.mostPositions), only)
      if (!generation.conditional) return
      this.#admission.admit(generation)
      this.#active.add(generation)
      generation.begin()
    }
  }

  /** The most that it adds to a call, its prompt aside, in positions. */
  #weight({ request: { settings, drawing } }: Generation): number {
    const token = this.#limits.token + 1
    if (settings.maxImages === 0) return token
    return Math.max((isGuided(drawing) ? 2 : 1) * (this.#patches + 2), this.#patches + token)
  }

  /** The least of its prompt that it reads in a turn, in positions. */
  #leastOfPrompt(generation: Generation): number {
    if (!generation.reads) return 0
    const [first] = firstParts(generation.unread, leastOfPrompt, this.#framing.patch)
    return positions(first, this.#framing.patch)
  }

  // ---- a round ----

  /** The next call; undefined where none can take part. */
  #enqueue(): Round | undefined {
    for (;;) {
      const entries = this.#entries()
      if (entries.length === 0) return undefined
      try {
        const round = this.#rounds.enqueue(this.#job, entries)
        for (const { generation, turn } of entries) this.#closeUnconditional(generation, turn)
        return round
      } catch (error) {
        const failed = this.#cache.lost ? this.#active : entries.map(({ generation }) => generation)
        for (const generation of failed) generation.failure ??= { error }
        this.#retire()
      }
    }
  }

  /** Whether those that await a token are few enough for the next round not to wait with them. */
  #goesAhead(): boolean {
    let waiting = 0
    for (const { failure, mayGoAhead } of this.#active) if (!failure && mayGoAhead) waiting++
    return waiting <= mostAhead
  }

  #entries(): Entry[] {
    const active = [...this.#active].filter(({ failure, listener }) => !failure && !listener.full)
    const first = active.length > 0 ? this.#turn++ % active.length : 0
    const reading = active.filter(({ reads }) => reads)
    const budgets = shareBudget(
      reading.map((generation) => ({
        least: this.#leastOfPrompt(generation),
        most: positions(generation.unread, this.#framing.patch),
      })),
      this.#limits.positions,
    )
    const budget = new Map(reading.map((generation, i) => [generation, budgets[i]!]))
    const ahead = this.#goesAhead()
    const entries: Entry[] = []
    const without: Entry[] = []
    let load = 0
    // Only where paused generations have come back can they be more than one call takes.
    const overfull = sum(active.map((generation) => this.#weight(generation))) > 2 * this.#limits.positions
    const order = overfull ? [...active.slice(first), ...active.slice(0, first)] : active
    for (const generation of order) {
      const turn = generation.turn(budget.get(generation) ?? 0, ahead)
      if (!turn) continue
      load += this.#weight(generation)
      if (entries.length > 0 && load > 2 * this.#limits.positions) break
      const entry = { generation, turn }
      ;(this.#makeRoom(entry, false) ? entries : without).push(entry)
    }
    // Those without room wait until others have left; where nobody else goes on, the cache exceeds its limit.
    const [stuck] = without
    if (entries.length === 0 && stuck && this.#makeRoom(stuck, true)) entries.push(stuck)
    return entries
  }

  /** Slots for what a turn adds; false where the cache has none. */
  #makeRoom({ generation, turn }: Entry, must: boolean): boolean {
    const { patch, tokens } = this.#framing
    const { spans, unconditional } = spansOf({ generation, turn }, tokens)
    if (unconditional.length > 0) {
      generation.unconditional ??= this.#cache.open(positions(unconditional, patch), must)
      if (!generation.unconditional) return false
    }
    const sequence = generation.conditional!
    const { length } = advance(sequence.cursor, spans, patch)
    if (length <= sequence.size) return true
    const ample = Math.max(length, Math.min(2 * sequence.size, generation.mostPositions))
    return this.#cache.extend(sequence, ample) || this.#cache.extend(sequence, length, must)
  }

  #closeUnconditional(generation: Generation, turn: Turn): void {
    if (turn.type !== 'denoise' || !turn.last || !generation.unconditional) return
    this.#cache.close(generation.unconditional)
    generation.unconditional = undefined
  }

  /** Tells a round's generations what came of it, after the round before. Never rejects. */
  async #deliver({ entries, job, results }: Round, earlier: Promise<void>): Promise<void> {
    const [delivered] = await Promise.allSettled([results, earlier])
    if (delivered.status === 'fulfilled')
      entries.forEach((entry, i) => this.#tell(entry, delivered.value[i]!))
    // A failed kernel leaves its mark on the cache: all whose keys are there fail with the call. Others may have come
    // since, where all of these were given up.
    else if (job === this.#job)
      for (const generation of this.#active)
        if (!generation.done) generation.failure ??= { error: delivered.reason }
    this.#retire()
  }

  #tell({ generation, turn }: Entry, result: TurnResult): void {
    if (generation.failure || generation.done) return
    try {
      generation.deliver(turn, result)
    } catch (error) {
      // A tokenizer that cannot decode, say: nobody else's matter.
      generation.failure = { error }
    }
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

const positions = (parts: readonly Part<EncodedPart | ImagePart>[], patch: number): number =>
  advance(sequenceStart, parts, patch).length
