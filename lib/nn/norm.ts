import { rmsNorm } from '../ops/rms_norm.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Parameter, ParameterList } from './parameters.js'

/** RMSNorm with a weight per channel, which begins as one. x [T, C] -> [T, C]. */
export class RmsNorm {
  /** `[C]`. */
  readonly weight: Parameter

  constructor(
    list: ParameterList,
    channels: number,
    /** Added to the mean of the squares. */
    readonly eps: number,
  ) {
    this.weight = list.add('weight', [channels], { value: 1 })
  }

  /** x [T, C] -> [T, C]. */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight.tensor, this.eps)
  }
}
