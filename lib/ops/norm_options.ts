import { checkDType, checkShape } from '../tensor/check.js'
import type { Tensor } from '../tensor/tensor.js'

/** What norms do besides; defaults last. */
export interface NormOptions {
  /** Added to the variance; 1e-5. */
  eps?: number
  /** Whether the result goes through SiLU; false. */
  silu?: boolean
}

/** Checks what scales and shifts normed channels: weight and bias [C], of the dtype of x [..., C]. */
export function checkAffine(x: Tensor, weight: Tensor, bias: Tensor): void {
  for (const [name, tensor] of Object.entries({ weight, bias })) {
    checkShape(name, tensor, [x.size(-1)])
    checkDType(name, tensor, x.dtype)
  }
}
