import type { GenerativeNetwork } from '../model.js'
import type { KvCache } from '../../nn/kv_cache.js'
import { type Cursor, sequenceStart } from '../../sequence/metadata.js'
import { fromArray } from '../../tensor/tensor.js'

/** A sequence whose keys and values lie in a range of the cache's slots. */
export class CachedSequence {
  /** Its length so far; what the slots after it hold is not read. */
  cursor: Cursor = sequenceStart
  /** Its first slot. */
  start = 0
  /** The first slot that the tensors have it in, until `tensors` moves it to `start`. */
  stored = 0

  constructor(public size: number) {}

  get end(): number {
    return this.start + this.size
  }
}

/**
 * The keys and values of all sequences of one model. Sequences open, grow and close at any time: their ranges of slots are
 * allocated in plain numbers, and the tensors follow once a step (`tensors`), with all moves in one copy. Where there is no
 * room the tensors are made anew, about twice as large.
 */
export class SequenceCache {
  readonly #network: Pick<GenerativeNetwork, 'createCache'>
  readonly #most: number
  /** In the order of their slots. */
  #sequences: CachedSequence[] = []
  #slots = 0
  #tensors: { kv: KvCache; slots: number } | undefined
  #moved = false
  #lost = false

  /** `most`: slots beyond which it grows only for a sequence that must have room. */
  constructor(network: Pick<GenerativeNetwork, 'createCache'>, most: number) {
    this.#network = network
    this.#most = most
  }

  /** Number of slots, free ones included. */
  get slots(): number {
    return this.#slots
  }

  /** Whether moving the sequences failed: their keys and values are lost. */
  get lost(): boolean {
    return this.#lost
  }

  /** A new sequence with room for `size` positions; undefined where there are not enough slots, unless it `must` have it. */
  open(size: number, must = false): CachedSequence | undefined {
    const sequence = new CachedSequence(size)
    if (!this.#place(sequence, must)) return undefined
    sequence.stored = sequence.start
    return sequence
  }

  /** Gives a sequence room for `size` positions; false where there are not enough slots, unless it `must` have it. */
  extend(sequence: CachedSequence, size: number, must = false): boolean {
    if (size <= sequence.size) return true
    const index = this.#sequences.indexOf(sequence)
    const limit = this.#sequences[index + 1]?.start ?? this.#slots
    if (sequence.start + size <= limit) {
      sequence.size = size
      return true
    }
    const { size: before } = sequence
    this.#sequences.splice(index, 1)
    sequence.size = size
    if (this.#place(sequence, must)) {
      this.#moved = true
      return true
    }
    sequence.size = before
    this.#sequences.splice(index, 0, sequence)
    return false
  }

  close(sequence: CachedSequence): void {
    this.#sequences = this.#sequences.filter((other) => other !== sequence)
  }

  /**
   * The tensors, with every sequence in its slots. What it enqueues belongs to the open scope and job. Throws where memory
   * runs out; see `lost`.
   */
  tensors(): KvCache {
    if (this.#tensors && !this.#moved && this.#tensors.slots === this.#slots) return this.#tensors.kv
    this.#lost = this.#tensors !== undefined
    if (this.#tensors) this.#tensors.kv.rearrange(fromArray(this.#sources()))
    this.#lost = false
    this.#tensors = { kv: this.#tensors?.kv ?? this.#network.createCache(this.#slots), slots: this.#slots }
    this.#moved = false
    for (const sequence of this.#sequences) sequence.stored = sequence.start
    return this.#tensors.kv
  }

  /** Forgets all sequences and frees the tensors. */
  [Symbol.dispose](): void {
    this.#tensors?.kv[Symbol.dispose]()
    this.#tensors = undefined
    this.#sequences = []
    this.#slots = 0
    this.#moved = false
    this.#lost = false
  }

  /** For each slot, the slot in which the tensors have its keys and values so far; -1: none. */
  #sources(): Int32Array {
    const rows = new Int32Array(this.#slots).fill(-1)
    for (const { start, stored, cursor } of this.#sequences)
      for (let i = 0; i < cursor.length; i++) rows[start + i] = stored + i
    return rows
  }

  #place(sequence: CachedSequence, must: boolean): boolean {
    let end = 0
    for (const [index, other] of [...this.#sequences, undefined].entries()) {
      if (end + sequence.size <= (other?.start ?? this.#slots)) {
        sequence.start = end
        this.#sequences.splice(index, 0, sequence)
        return true
      }
      if (other) end = other.end
    }
    const needed = this.#sequences.reduce((sum, { size }) => sum + size, sequence.size)
    if (needed > this.#most && !must) return false
    const doubled = 2 * (this.#tensors?.slots ?? 0)
    if (needed > this.#slots) this.#slots = Math.max(needed, Math.min(doubled, this.#most))
    this.#sequences.push(sequence)
    this.#pack()
    return true
  }

  /** Puts the sequences one after the other, without gaps. */
  #pack(): void {
    let end = 0
    for (const sequence of this.#sequences) {
      sequence.start = end
      end = sequence.end
    }
    this.#moved = true
  }
}
