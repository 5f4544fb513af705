import { checkDType, checkShape } from '../tensor/check.js'
import type { Tensor } from '../tensor/tensor.js'

/** Options of `layerNorm` and `groupNorm`. */
export interface NormOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number
  /** Whether SiLU is applied to the result; false by default. */
  silu?: boolean
}

/** Checks the weight and bias [C] of a norm, which have the dtype of x [..., C]. */
export function checkAffine(x: Tensor, weight: Tensor, bias: Tensor): void {
  for (const [name, tensor] of Object.entries({ weight, bias })) {
    checkShape(name, tensor, [x.size(-1)])
    checkDType(name, tensor, x.dtype)
  }
}
