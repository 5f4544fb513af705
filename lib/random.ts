/**
 * Host-side random numbers as a pure function of (seed, purpose, step, index): nothing has to be saved for
 * training to resume exactly, and no draw depends on another. The generator is Philox4x32-10 (Salmon et al.,
 * "Parallel random numbers: as easy as 1, 2, 3", 2011), as in the native kernels.
 */

/** What a number is drawn for; each purpose is a sequence of its own. A new one takes the next free number. */
const purposes = {
  timestep: 1,
  noise: 2,
  order: 3,
  condition: 4,
  shuffle: 5,
  initialize: 6,
  token: 7,
  attempt: 8,
  scene: 9,
  heldOutScene: 10,
  code: 11,
  emoji: 12,
} as const
export type Purpose = keyof typeof purposes

/** Four random 32-bit words, unsigned. `seed`: integer, 0 <= seed < 2^53; `step` likewise; `index` < 2^32. */
export function randomWords(seed: number, purpose: Purpose, step: number, index: number): Uint32Array {
  const counter = [index, step, Math.floor(step / 2 ** 32), purposes[purpose]] as const
  return philox(counter, [seed, Math.floor(seed / 2 ** 32)])
}

/** A number in [0, 1) with 53 random bits. */
export function randomUniform(seed: number, purpose: Purpose, step: number, index: number): number {
  const words = randomWords(seed, purpose, step, index)
  return uniformOf(words[0]!, words[1]!)
}

/** Two random words as a number in [0, 1). */
export function uniformOf(high: number, low: number): number {
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53
}

/**
 * Seeds [count, 4] i32 for the kernels that draw on the device (`normal`, `add_noise`, `diffusion_loss`,
 * `sample_latents`, `denoise`, `sample_tokens`): one Philox key and stream for each index from `first` on.
 */
export function randomSeeds(
  seed: number,
  purpose: Purpose,
  step: number,
  count: number,
  first = 0,
): Int32Array {
  const seeds = new Int32Array(count * 4)
  for (let i = 0; i < count; i++) seeds.set(randomWords(seed, purpose, step, first + i), i * 4)
  return seeds
}

/** Seeds [seeds.length, 4] for the same kernels where each row has a seed of its own. */
export function rowSeeds(seeds: readonly number[], purpose: Purpose, step: number): Int32Array {
  const values = new Int32Array(seeds.length * 4)
  seeds.forEach((seed, i) => values.set(randomWords(seed, purpose, step, 0), i * 4))
  return values
}

/** Draws one after the other from the sequence of (seed, purpose, step): for what needs an unknown number of them. */
export class RandomDraws {
  #index = 0

  constructor(
    private readonly seed: number,
    private readonly purpose: Purpose,
    private readonly step: number,
  ) {}

  /** In [low, high), by default in [0, 1). */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * randomUniform(this.seed, this.purpose, this.step, this.#index++)
  }

  /** From low to high, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1))
  }

  /** One of the items, each as likely as the others. @throws RangeError where there is none */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('RandomDraws.pick: items must be one or more, received none')
    return items[this.integer(0, items.length - 1)]!
  }

  /** A key, by its weight. At least one weight is positive. */
  pickWeighted<Key extends string>(weights: Readonly<Record<Key, number>>): Key {
    const entries = Object.entries(weights) as [Key, number][]
    let left = this.uniform() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    const chosen = entries.find(([, weight]) => (left -= weight) < 0)
    return (chosen ?? entries.findLast(([, weight]) => weight > 0)!)[0]
  }
}

type Words2 = readonly [number, number]
type Words4 = readonly [number, number, number, number]

/** One block of Philox4x32-10; words are taken modulo 2^32. */
export function philox(counter: Words4, key: Words2): Uint32Array {
  let [c0, c1, c2, c3]: Words4 = counter
  let [k0, k1]: Words2 = key
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0)
    const high1 = multiplyHigh(0xcd9e8d57, c2)
    const low0 = Math.imul(0xd2511f53, c0)
    const low1 = Math.imul(0xcd9e8d57, c2)
    c0 = high1 ^ c1 ^ k0
    c1 = low1
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    k0 = (k0 + 0x9e3779b9) | 0
    k1 = (k1 + 0xbb67ae85) | 0
  }
  return Uint32Array.of(c0, c1, c2, c3)
}

/** The upper half of the 64-bit product of two 32-bit words, from 16-bit halves that doubles hold exactly. */
function multiplyHigh(a: number, b: number): number {
  const a1 = a >>> 16
  const a0 = a & 0xffff
  const b1 = b >>> 16
  const b0 = b & 0xffff
  const middle = a1 * b0 + ((a0 * b0) >>> 16)
  const carry = (middle % 0x10000) + a0 * b1
  return (a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0
}
