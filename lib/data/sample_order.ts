/**
 * The index of the sample at `position` of an endless, shuffled pass over `length` samples. Each run of `length`
 * positions (an epoch) visits every sample once, in an order of its own. It is a pure function, so training
 * resumes at any position and needs no list: a Feistel network permutes the smallest power of four that holds
 * `length`, and values outside are permuted again until they fall inside ("cycle walking"; our choice).
 * @param length at most 2^32
 */
export function sampleIndex(position: number, length: number, seed: number): number {
  if (!Number.isSafeInteger(length) || length < 1 || length > 2 ** 32) {
    throw new RangeError(`sampleIndex: length must be an integer from 1 to 2^32, received ${length}`)
  }
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new RangeError(`sampleIndex: position must be an integer from 0, received ${position}`)
  }
  if (!Number.isSafeInteger(seed))
    throw new RangeError(`sampleIndex: seed must be an integer, received ${seed}`)
  const epoch = Math.floor(position / length)
  let key = 0
  for (const number of [seed, epoch]) {
    key = hash(key ^ (number >>> 0))
    key = hash(key ^ (Math.floor(number / 2 ** 32) >>> 0))
  }
  const halfBits = Math.ceil(Math.log2(length) / 2)
  let index = position % length
  do index = permute(index, halfBits, key)
  while (index >= length)
  return index
}

/** So many of a list's items, evenly spread from the first on; some repeatedly where there are fewer. */
export const evenlySpread = <T>(items: readonly T[], count: number): T[] =>
  Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!)

const rounds = 8

/** A bijection of 0 .. 4^halfBits - 1. */
function permute(value: number, halfBits: number, key: number): number {
  const halfSize = 2 ** halfBits
  let left = Math.floor(value / halfSize)
  let right = value % halfSize
  for (let round = 0; round < rounds; round++) {
    const mixed = left ^ (hash(hash(right ^ key) + round) % halfSize)
    left = right
    right = mixed
  }
  return left * halfSize + right
}

/** A well-mixed 32-bit hash of a 32-bit integer (the finalizer of MurmurHash3). */
function hash(value: number): number {
  let h = value ^ 0x9e3779b9
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
