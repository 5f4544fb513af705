import { philox } from '../../lib/random.js'

/**
 * The standard normals of a seed [4] = key (low, high), stream (low, high): element i is lane i % 4 of block i / 4 of
 * Philox4x32-10, two words to two normals by Box and Muller.
 */
export function normals(seed: ArrayLike<number>, count: number): Float64Array {
  const values = new Float64Array(Math.ceil(count / 4) * 4)
  for (let block = 0; block < values.length / 4; block++) {
    const counter = [block, Math.floor(block / 2 ** 32), seed[2]!, seed[3]!] as const
    const words = philox(counter, [seed[0]!, seed[1]!])
    for (const pair of [0, 2]) {
      const uniform = Math.fround(words[pair]! >>> 1) / 2 ** 31 + 2 ** -32
      const radius = Math.sqrt(-2 * Math.log(Math.min(1, uniform)))
      const angle = ((words[pair + 1]! | 0) / 2 ** 31) * Math.PI
      values[4 * block + pair] = radius * Math.cos(angle)
      values[4 * block + pair + 1] = radius * Math.sin(angle)
    }
  }
  return values.subarray(0, count)
}

/** The noise of all images, one after the other. */
export function imageNoise(imageRows: Int32Array, seeds: Int32Array, channels: number): Float64Array {
  const noise = new Float64Array(imageRows.at(-1)! * channels)
  for (let i = 0; i + 1 < imageRows.length; i++) {
    const count = (imageRows[i + 1]! - imageRows[i]!) * channels
    noise.set(normals(seeds.subarray(4 * i, 4 * i + 4), count), imageRows[i]! * channels)
  }
  return noise
}

/** The image that each row belongs to. */
export const imageOfRow = (imageRows: Int32Array): number[] =>
  Array.from({ length: imageRows.at(-1)! }, (_, row) => imageRows.findLastIndex((first) => first <= row))
