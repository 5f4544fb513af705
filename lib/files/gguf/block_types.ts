/**
 * How GGUF stores the values of a tensor: blocks of a few values of one row, each with its scale (ggml's block types,
 * github.com/ggml-org/ggml, ggml-common.h).
 */
import { halves } from '../halves.js'

/** A type of blocks, under the name that ggml gives it. */
export interface BlockType {
  readonly name: string
  /** Values of a block; a row is of whole blocks. */
  readonly values: number
  /** Bytes of a block. */
  readonly bytes: number
  /** Writes the block's values to `out` from `at` on; the block is `bytes` of `view` from `begin` on. */
  readonly decode: (view: DataView, begin: number, out: Float32Array, at: number) => void
}

const half = (view: DataView, begin: number) => halves[view.getUint16(begin, true)]!

const bits = new Uint32Array(1)
const bitsAsFloat = new Float32Array(bits.buffer)
function brainFloat(high: number): number {
  bits[0] = high << 16
  return bitsAsFloat[0]!
}

const single =
  (read: (view: DataView, begin: number) => number): BlockType['decode'] =>
  (view, begin, out, at) => {
    out[at] = read(view, begin)
  }

/** Bytes of 32 values of 4 bits: the first 16 are the low halves of the bytes, the others the high ones. */
const nibbleBytes = 16

/** 32 values of 4 bits, or of 5 where `fifth`, the offset of their highest bits, is given. */
function nibbles(
  view: DataView,
  begin: number,
  fifth: number | undefined,
  write: (index: number, value: number) => void,
): void {
  const high = fifth === undefined ? 0 : view.getUint32(fifth, true)
  for (let i = 0; i < nibbleBytes; i++) {
    const byte = view.getUint8(begin + i)
    write(i, (byte & 15) | (((high >>> i) & 1) << 4))
    write(i + nibbleBytes, (byte >> 4) | (((high >>> (i + nibbleBytes)) & 1) << 4))
  }
}

/** scale * (value - zero) */
const symmetric =
  (zero: number, fifth: boolean): BlockType['decode'] =>
  (view, begin, out, at) => {
    const scale = half(view, begin)
    const values = begin + (fifth ? 6 : 2)
    nibbles(view, values, fifth ? begin + 2 : undefined, (i, value) => {
      out[at + i] = scale * (value - zero)
    })
  }

/** scale * value + minimum */
const withMinimum =
  (fifth: boolean): BlockType['decode'] =>
  (view, begin, out, at) => {
    const [scale, minimum] = [half(view, begin), half(view, begin + 2)]
    const values = begin + (fifth ? 8 : 4)
    nibbles(view, values, fifth ? begin + 4 : undefined, (i, value) => {
      out[at + i] = scale * value + minimum
    })
  }

const bytewise: BlockType['decode'] = (view, begin, out, at) => {
  const scale = half(view, begin)
  for (let i = 0; i < 32; i++) out[at + i] = scale * view.getInt8(begin + 2 + i)
}

/** Values of a block of the "K" types, which have a scale for every 32 or 16 of them. */
const superBlock = 256

/** The 6 bits of scale and of minimum of the `index`-th of eight times 32 values, packed into 12 bytes. */
function packedScale(view: DataView, begin: number, index: number): [scale: number, minimum: number] {
  const byte = (i: number) => view.getUint8(begin + i)
  if (index < 4) return [byte(index) & 63, byte(index + 4) & 63]
  const low = byte(index + 4)
  return [(low & 15) | ((byte(index - 4) >> 6) << 4), (low >> 4) | ((byte(index) >> 6) << 4)]
}

/** Scale, scale of the minima, 12 bytes of scales, with `fifth` 32 bytes of highest bits, 128 bytes of low nibbles. */
const superBlockWithMinima =
  (fifth: boolean): BlockType['decode'] =>
  (view, begin, out, at) => {
    const [scale, minimum] = [half(view, begin), half(view, begin + 2)]
    const [scales, highest] = [begin + 4, begin + 16]
    const values = fifth ? highest + 32 : highest
    for (let part = 0; part < 8; part++) {
      const [ownScale, ownMinimum] = packedScale(view, scales, part)
      const [factor, offset] = [scale * ownScale, minimum * ownMinimum]
      const bytes = values + 32 * (part >> 1)
      const shift = 4 * (part & 1)
      for (let i = 0; i < 32; i++) {
        const high = fifth ? (view.getUint8(highest + i) >> part) & 1 : 0
        const value = ((view.getUint8(bytes + i) >> shift) & 15) | (high << 4)
        out[at + 32 * part + i] = factor * value - offset
      }
    }
  }

/** 128 bytes of low nibbles, 64 of high pairs of bits, 16 scales of 8 bits, and theirs. */
const sixBits: BlockType['decode'] = (view, begin, out, at) => {
  const [high, scales] = [begin + 128, begin + 192]
  const scale = half(view, begin + 208)
  for (let part = 0; part < 8; part++) {
    const [side, quarter] = [part >> 2, part & 3]
    const low = begin + 64 * side + 32 * (quarter & 1)
    for (let i = 0; i < 32; i++) {
      const nibble = (view.getUint8(low + i) >> (4 * (quarter >> 1))) & 15
      const pair = (view.getUint8(high + 32 * side + i) >> (2 * quarter)) & 3
      const factor = scale * view.getInt8(scales + 2 * part + (i >> 4))
      out[at + 32 * part + i] = factor * ((nibble | (pair << 4)) - 32)
    }
  }
}

const type = (name: string, values: number, bytes: number, decode: BlockType['decode']): BlockType => ({
  name,
  values,
  bytes,
  decode,
})

/** Those that are read, by their numbers in a file. */
export const blockTypes: ReadonlyMap<number, BlockType> = new Map([
  [
    0,
    type(
      'F32',
      1,
      4,
      single((view, begin) => view.getFloat32(begin, true)),
    ),
  ],
  [1, type('F16', 1, 2, single(half))],
  [2, type('Q4_0', 32, 18, symmetric(8, false))],
  [3, type('Q4_1', 32, 20, withMinimum(false))],
  [6, type('Q5_0', 32, 22, symmetric(16, true))],
  [7, type('Q5_1', 32, 24, withMinimum(true))],
  [8, type('Q8_0', 32, 34, bytewise)],
  [12, type('Q4_K', superBlock, 144, superBlockWithMinima(false))],
  [13, type('Q5_K', superBlock, 176, superBlockWithMinima(true))],
  [14, type('Q6_K', superBlock, 210, sixBits)],
  [
    30,
    type(
      'BF16',
      1,
      2,
      single((view, begin) => brainFloat(view.getUint16(begin, true))),
    ),
  ],
])

/** Those that are not read, for messages. */
const unreadTypes: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
}

/** The name of a type by its number, whether it is read or not. */
export const blockTypeName = (number: number): string =>
  blockTypes.get(number)?.name ?? unreadTypes[number] ?? `number ${number}`
