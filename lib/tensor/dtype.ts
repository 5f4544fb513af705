/** Element types. bf16 is a storage type: arithmetic accumulates in f32 everywhere. */
export type DType = 'f32' | 'bf16' | 'i32'

/** The addon's numbering of dtypes (native/kernel_types.h). */
export const dtypeCodes: Readonly<Record<DType, number>> = { f32: 0, bf16: 1, i32: 2 }

/** Bytes of an element. */
export const dtypeBytes: Readonly<Record<DType, number>> = { f32: 4, bf16: 2, i32: 4 }
