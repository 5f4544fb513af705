// Generated from native/kernels.h by scripts/generate-kernels.mjs.

/** A native tensor, as the addon numbers it. */
export type Handle = number

export interface Kernels {
}
