import type { GenerativeNetwork } from './model.js'
import type { KvCache } from '../nn/kv_cache.js'
import { type Cursor, sequenceStart } from '../sequence/layout.js'
import { fromArray } from '../tensor/tensor.js'

/** A sequence whose keys and values lie in a range of the cache's slots. */
export class CachedSequence {
  /** How far it has come: the slots behind it are not read. */
  cursor: Cursor = sequenceStart
  /** Its first slot. */
  start = 0
  /** Where the tensors have it as yet. */
  stored = 0

  constructor(public size: number) {}

  get end(): number {
    return this.start + this.size
  }
}

/**
 * The keys and values of all sequences of one model, which come, grow and leave at any time. Room is found among the
 * slots in plain numbers; the tensors follow once in a round (`tensors`), all moves together. They are made anew, about
 * twice as large, where there is no room.
 */
export class SequenceCache {
  readonly #network: GenerativeNetwork
  readonly #most: number
  /** In the order of their slots. */
  #sequences: CachedSequence[] = []
  #slots = 0
  #tensors: { kv: KvCache; slots: number } | undefined
  #moved = false
  #lost = false

  /** `most`: slots beyond which it grows only where it must. */
  constructor(network: GenerativeNetwork, most: number) {
    this.#network = network
    this.#most = most
  }

  /** Slots, those without a sequence included. */
  get slots(): number {
    return this.#slots
  }

  /** Whether moving the sequences failed: what it held of them is gone. */
  get lost(): boolean {
    return this.#lost
  }

  /** A new sequence with room for `size` positions; undefined where that takes too many slots, unless `must`. */
  open(size: number, must = false): CachedSequence | undefined {
    const sequence = new CachedSequence(size)
    if (!this.#place(sequence, must)) return undefined
    sequence.stored = sequence.start
    return sequence
  }

  /** Makes room for `size` positions of a sequence; false where that takes too many slots, unless `must`. */
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
   * The tensors with every sequence in its slots. Enqueues what that takes: belongs to the open scope and job. Throws
   * where memory is out; see `lost`.
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

  /** Of each slot, the one in which the tensors have what belongs there; -1: none. */
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
