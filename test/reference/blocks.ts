import type { BlockDType } from '../../lib/tensor/dtype.js'
import { rowBytes } from '../../lib/tensor/dtype.js'
import { generator } from '../host_array.js'

/** Where a block of a K type has its halves: the scale, and that of the minima. */
const halves = { q4_k: { values: 256, bytes: 144, at: [0, 2] }, q6_k: { values: 256, bytes: 210, at: [208] } }

/** Bytes of N rows of K values that stand for numbers of moderate size: any bytes do but in the scales. */
export function randomBlocks(
  dtype: BlockDType & ('q4_k' | 'q6_k'),
  N: number,
  K: number,
  seed = 1,
): Uint8Array {
  const next = generator(seed * 31 + N * K)
  const bytes = Uint8Array.from({ length: N * rowBytes(dtype, K) }, () => Math.floor(next() * 256))
  const block = halves[dtype]
  for (let begin = 0; begin < bytes.length; begin += block.bytes)
    for (const at of block.at) {
      // Exponents of 2^-8 to 2^-5, either sign.
      bytes[begin + at + 1] =
        ((next() < 0.5 ? 0x80 : 0) | ((7 + Math.floor(next() * 3)) << 2)) + Math.floor(next() * 4)
    }
  return bytes
}
