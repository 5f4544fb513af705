import { grown } from './growing_array.js'

const free = -1

/** Numbers pairs of tokens in the order in which they are first seen: a hash table with open addressing. */
export class PairTable {
  #size = 0
  #left = new Int32Array(1024)
  #right = new Int32Array(1024)
  /** A pair's number, or `free`; a power of two in length, at most half of it taken. */
  #slots = new Int32Array(4096).fill(free)

  get size(): number {
    return this.#size
  }

  left(pair: number): number {
    return this.#left[pair]!
  }

  right(pair: number): number {
    return this.#right[pair]!
  }

  /** The number of a pair. */
  index(left: number, right: number): number {
    const mask = this.#slots.length - 1
    let slot = hash(left, right) & mask
    for (let pair; (pair = this.#slots[slot]!) !== free; slot = (slot + 1) & mask)
      if (this.#left[pair] === left && this.#right[pair] === right) return pair
    return this.#add(left, right, slot)
  }

  #add(left: number, right: number, slot: number): number {
    const pair = this.#size++
    this.#left = grown(this.#left, this.#size)
    this.#right = grown(this.#right, this.#size)
    this.#left[pair] = left
    this.#right[pair] = right
    this.#slots[slot] = pair
    if (2 * this.#size > this.#slots.length) this.#rehash()
    return pair
  }

  #rehash(): void {
    const slots = new Int32Array(2 * this.#slots.length).fill(free)
    const mask = slots.length - 1
    for (let pair = 0; pair < this.#size; pair++) {
      let slot = hash(this.#left[pair]!, this.#right[pair]!) & mask
      while (slots[slot] !== free) slot = (slot + 1) & mask
      slots[slot] = pair
    }
    this.#slots = slots
  }
}

/** The final mix of MurmurHash3, by Austin Appleby, over both ids. */
function hash(left: number, right: number): number {
  let h = Math.imul(left, 0x9e3779b1) ^ right
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
