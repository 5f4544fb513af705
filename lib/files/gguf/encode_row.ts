/**
 * Values as blocks of ggml's types Q4_K and Q6_K, rounded to nearest with the scales that the extremes of each group give: for a
 * few rows that are added to a file's own. (ggml searches for better scales, our choice does not.)
 */
import { halves } from '../halves.js'

const superBlock = 256
const floatView = new DataView(new ArrayBuffer(4))

/** The bits of the half nearest to a finite number; what is too large becomes the largest. */
export function halfBits(value: number): number {
  floatView.setFloat32(0, value)
  const sign = floatView.getUint8(0) & 0x80
  const size = Math.min(Math.abs(value), 65504)
  // Multiples of 2^-24 below 2^-14; above, 10 bits after the leading one.
  const exponent = Math.max(size === 0 ? -14 : Math.floor(Math.log2(size)), -14)
  const steps = Math.round(size / 2 ** (exponent - 10))
  return (sign << 8) | (exponent === -14 ? steps : ((exponent + 14) << 10) + steps)
}

const clamp = (value: number, least: number, most: number) =>
  Math.min(Math.max(Math.round(value), least), most)
const ratio = (value: number, scale: number) => (scale === 0 ? 0 : value / scale)

/** A row of finite values, a multiple of 256, as the bytes of blocks. */
export function encodeRow(type: 'q4_k' | 'q6_k', row: Float32Array): Uint8Array {
  const { bytes, encode } = types[type]
  const blocks = new Uint8Array((row.length / superBlock) * bytes)
  for (let i = 0; i < row.length / superBlock; i++)
    encode(row.subarray(i * superBlock, (i + 1) * superBlock), blocks.subarray(i * bytes, (i + 1) * bytes))
  return blocks
}

function setHalf(block: Uint8Array, at: number, value: number): number {
  const bits = halfBits(value)
  block[at] = bits & 255
  block[at + 1] = bits >> 8
  return halves[bits]!
}

/** 128 bytes of low nibbles, 64 of high pairs of bits, 16 scales of 8 bits, and theirs. */
function encodeSixBits(values: Float32Array, block: Uint8Array): void {
  const groups = Array.from({ length: 16 }, (_, i) => values.subarray(16 * i, 16 * (i + 1)))
  const scales = groups.map((group) => Math.max(...group.map(Math.abs)) / 31)
  const scale = setHalf(block, 208, Math.max(...scales) / 127)
  const quantised = new Uint8Array(superBlock)
  groups.forEach((group, i) => {
    const own = clamp(ratio(scales[i]!, scale), 0, 127)
    block[192 + i] = own
    group.forEach((value, j) => (quantised[16 * i + j] = clamp(ratio(value, scale * own), -32, 31) + 32))
  })
  for (let side = 0; side < 2; side++)
    for (let quarter = 0; quarter < 4; quarter++)
      for (let i = 0; i < 32; i++) {
        const value = quantised[128 * side + 32 * quarter + i]!
        block[64 * side + 32 * (quarter & 1) + i]! |= (value & 15) << (4 * (quarter >> 1))
        block[128 + 32 * side + i]! |= (value >> 4) << (2 * quarter)
      }
}

/** Scale, scale of the minima, 12 bytes of scales, 128 bytes of low nibbles. */
function encodeFourBits(values: Float32Array, block: Uint8Array): void {
  const groups = Array.from({ length: 8 }, (_, i) => values.subarray(32 * i, 32 * (i + 1)))
  const minima = groups.map((group) => Math.max(0, -Math.min(...group)))
  const scales = groups.map((group, i) => (Math.max(0, ...group) + minima[i]!) / 15)
  const scale = setHalf(block, 0, Math.max(...scales) / 63)
  const minimum = setHalf(block, 2, Math.max(...minima) / 63)
  groups.forEach((group, i) => {
    const own = clamp(ratio(scales[i]!, scale), 0, 63)
    const lowest = clamp(ratio(minima[i]!, minimum), 0, 63)
    if (i < 4) {
      block[4 + i]! |= own
      block[8 + i]! |= lowest
    } else {
      block[8 + i] = (own & 15) | ((lowest & 15) << 4)
      block[i]! |= (own >> 4) << 6
      block[4 + i]! |= (lowest >> 4) << 6
    }
    group.forEach((value, j) => {
      const quantised = clamp(ratio(value + minimum * lowest, scale * own), 0, 15)
      block[16 + 32 * (i >> 1) + j]! |= quantised << (4 * (i & 1))
    })
  })
}

const types = {
  q4_k: { bytes: 144, encode: encodeFourBits },
  q6_k: { bytes: 210, encode: encodeSixBits },
} as const
