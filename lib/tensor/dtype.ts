import { formatValue } from '../describe.js'

/** Types of elements. bf16 is a storage type: arithmetic accumulates in f32 everywhere. */
export type ElementDType = 'f32' | 'bf16' | 'i32'

/**
 * Types of quantised weights, whose last axis is stored in blocks; products and `embedding` take them, `cast` makes and
 * widens them. `q8_0`, `q4_0`, `q4_1`, `q4_k` and `q6_k` are ggml's block types bit for bit. A row of K values of `int8` is K
 * bytes, padding to a multiple of 4, and an f32 scale of the row (our choice: symmetric, scale = max |w| / 127).
 */
export type BlockDType = 'int8' | 'q8_0' | 'q4_0' | 'q4_1' | 'q4_k' | 'q6_k'

/** What a tensor holds. */
export type DType = ElementDType | BlockDType

/** The addon's numbering of dtypes (native/kernel_types.h). */
export const dtypeCodes: Readonly<Record<DType, number>> = {
  f32: 0,
  bf16: 1,
  i32: 2,
  int8: 3,
  q8_0: 4,
  q4_0: 5,
  q4_1: 6,
  q4_k: 7,
  q6_k: 8,
}

/** Bytes of an element. */
export const dtypeBytes: Readonly<Record<ElementDType, number>> = { f32: 4, bf16: 2, i32: 4 }

/** Values and bytes of a block; int8 has one block a row. */
const blocks: Readonly<Record<Exclude<BlockDType, 'int8'>, { values: number; bytes: number }>> = {
  q8_0: { values: 32, bytes: 34 },
  q4_0: { values: 32, bytes: 18 },
  q4_1: { values: 32, bytes: 20 },
  q4_k: { values: 256, bytes: 144 },
  q6_k: { values: 256, bytes: 210 },
}

/** The block dtypes by name. */
export const blockDTypes: readonly BlockDType[] = ['int8', 'q8_0', 'q4_0', 'q4_1', 'q4_k', 'q6_k']

/** Whether a dtype is one of quantised weights. */
export const isBlockDType = (dtype: DType): dtype is BlockDType => !(dtype in dtypeBytes)

/** How many values a block of a row holds: the last axis of a tensor is a multiple of it. */
export const blockValues = (dtype: DType): number =>
  dtype in blocks ? blocks[dtype as keyof typeof blocks].values : 1

/**
 * Bytes of a row of K values: of the last axis of a tensor of this dtype.
 * @throws TypeError where `dtype` is none, RangeError unless K is a multiple of the dtype's block (32 or 256; 1 for int8)
 */
export function rowBytes(dtype: DType, K: number): number {
  if (!Object.hasOwn(dtypeCodes, dtype))
    throw new TypeError(
      `rowBytes: dtype must be ${Object.keys(dtypeCodes).join(', ')}, received ${formatValue(dtype)}`,
    )
  const values = blockValues(dtype)
  if (!Number.isInteger(K) || K < 0 || K % values !== 0)
    throw new RangeError(`a row of ${dtype} must be whole blocks of ${values}, received ${K} values`)
  if (dtype === 'int8') return Math.ceil(K / 4) * 4 + 4
  return isBlockDType(dtype)
    ? (K / values) * blocks[dtype as keyof typeof blocks].bytes
    : K * dtypeBytes[dtype]
}
