/**
 * The one table of tolerances. f32: the largest error allowed, relative to the largest magnitude of the reference;
 * what an op needs depends on how much it sums. bf16: twice the error that the float64 reference itself has once
 * rounded to bf16, plus the f32 error.
 */
export const f32Tolerance = {
  /** One or a few roundings. */
  elementwise: 1e-6,
  /** Sums of up to some thousands of products, exp and log. */
  reduction: 1e-5,
} as const

export type ToleranceClass = keyof typeof f32Tolerance

export const bf16Factor = 2

/** Gradients against central differences of the float64 reference, relative to the largest magnitude. */
export const finiteDifferenceError = 1e-6
