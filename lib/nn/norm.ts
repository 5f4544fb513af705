import { checkArguments } from '../arguments.js'
import { layerNorm } from '../ops/layer_norm.js'
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
    checkArguments('RmsNorm', { list: [list, 'parameters'] })
    this.weight = list.add('weight', [channels], { value: 1 })
  }

  /** x [T, C] -> [T, C]. */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight.tensor, this.eps)
  }
}

/** Layer norm over the channels of each position, then SiLU where asked for. x [..., C] -> [..., C]. */
export class LayerNorm {
  /** `[C]`, ones at first. */
  readonly weight: Parameter
  /** `[C]`, zeros at first. */
  readonly bias: Parameter

  constructor(
    list: ParameterList,
    channels: number,
    /** Whether SiLU follows. */
    readonly silu = false,
  ) {
    checkArguments('LayerNorm', { list: [list, 'parameters'] })
    this.weight = list.add('weight', [channels], { value: 1 })
    this.bias = list.add('bias', [channels], { value: 0 })
  }

  /** x [..., C] -> [..., C]. */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.tensor, this.bias.tensor, { silu: this.silu })
  }
}
