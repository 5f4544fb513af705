import { checkArguments } from '../arguments.js'
import { groupNorm } from '../ops/group_norm.js'
import { layerNorm } from '../ops/layer_norm.js'
import { rmsNorm } from '../ops/rms_norm.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Parameter, ParameterList } from './parameters.js'

/** Root-mean-square norm over the last axis with a weight per channel, x [..., C] -> [..., C]; see {@link rmsNorm}. */
export class RmsNorm {
  /** `[C]`, ones at first. */
  readonly weight: Parameter

  /** Adds the norm's parameters to `list`: C = `channels`. */
  constructor(
    list: ParameterList,
    channels: number,
    /** Added to the mean of the squares. */
    readonly eps: number,
  ) {
    checkArguments('RmsNorm', { list: [list, 'parameters'] })
    this.weight = list.add('weight', [channels], { value: 1 })
  }

  /** x [..., C] of the parameters' dtype -> y like x. @throws ArgumentError where x does not fit */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight.tensor, this.eps)
  }
}

/** Layer norm over the last axis, and SiLU after it where `silu` is set, x [..., C] -> [..., C]; see {@link layerNorm}. */
export class LayerNorm {
  /** `[C]`, ones at first. */
  readonly weight: Parameter
  /** `[C]`, zeros at first. */
  readonly bias: Parameter

  /** Adds the norm's parameters to `list`: C = `channels`. */
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

  /** x [..., C] of the parameters' dtype -> y like x. @throws ArgumentError where x does not fit */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.tensor, this.bias.tensor, { silu: this.silu })
  }
}

/** Group norm of images, and SiLU after it where `silu` is set, x [N, ..., C] -> [N, ..., C]; see {@link groupNorm}. */
export class GroupNorm {
  /** `[C]`, ones at first. */
  readonly weight: Parameter
  /** `[C]`, zeros at first. */
  readonly bias: Parameter

  /** Adds the norm's parameters to `list`: C = `channels`, which `groups` divides. */
  constructor(
    list: ParameterList,
    channels: number,
    /** Number of groups that the channels are divided into. */
    readonly groups: number,
    /** Added to the variance. */
    readonly eps: number,
    /** Whether SiLU follows. */
    readonly silu = false,
  ) {
    checkArguments('GroupNorm', { list: [list, 'parameters'] })
    this.weight = list.add('weight', [channels], { value: 1 })
    this.bias = list.add('bias', [channels], { value: 0 })
  }

  /** x [N, ..., C] of the parameters' dtype -> y like x. @throws ArgumentError where x does not fit */
  forward(x: Tensor): Tensor {
    const { weight, bias, groups, eps, silu } = this
    return groupNorm(x, weight.tensor, bias.tensor, groups, { eps, silu })
  }
}
