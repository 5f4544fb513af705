import { grown } from './growing_array.js'
import type { PairTable } from './pair_table.js'

/** A pair that may be merged next. */
export interface Candidate {
  readonly pair: number
  /** How often it occurred when it was queued. */
  readonly count: number
}

/**
 * Pairs by how often they occur, the most frequent first; of equally frequent ones that with the smaller left id first,
 * then that with the smaller right id. A binary heap.
 */
export class MergeQueue {
  readonly #pairs: PairTable
  #size = 0
  #pair = new Int32Array(1024)
  #count = new Float64Array(1024)

  constructor(pairs: PairTable) {
    this.#pairs = pairs
  }

  push(pair: number, count: number): void {
    let place = this.#size++
    this.#pair = grown(this.#pair, this.#size)
    this.#count = grown(this.#count, this.#size)
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!this.#precedes(pair, count, parent)) break
      this.#move(parent, place)
      place = parent
    }
    this.#put(pair, count, place)
  }

  pop(): Candidate | undefined {
    if (this.#size === 0) return undefined
    const first = this.#at(0)
    const last = this.#at(--this.#size)
    let place = 0
    for (let child; (child = 2 * place + 1) < this.#size; place = child) {
      const right = child + 1
      if (right < this.#size && this.#precedes(this.#pair[right]!, this.#count[right]!, child)) child = right
      if (this.#precedes(last.pair, last.count, child)) break
      this.#move(child, place)
    }
    this.#put(last.pair, last.count, place)
    return first
  }

  #precedes(pair: number, count: number, place: number): boolean {
    const difference = count - this.#count[place]!
    if (difference !== 0) return difference > 0
    const other = this.#pair[place]!
    const left = this.#pairs.left(pair) - this.#pairs.left(other)
    return left !== 0 ? left < 0 : this.#pairs.right(pair) < this.#pairs.right(other)
  }

  #at(place: number): Candidate {
    return { pair: this.#pair[place]!, count: this.#count[place]! }
  }

  #put(pair: number, count: number, place: number): void {
    this.#pair[place] = pair
    this.#count[place] = count
  }

  #move(from: number, to: number): void {
    this.#pair[to] = this.#pair[from]!
    this.#count[to] = this.#count[from]!
  }
}
