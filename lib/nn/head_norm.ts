import { add } from '../ops/add.js'
import { layerNorm } from '../ops/layer_norm.js'
import { mul } from '../ops/mul.js'
import { full, type Tensor } from '../tensor/tensor.js'
import type { Parameter, ParameterList } from './parameters.js'

/** Added to the variance, as in Chameleon's code, whose config does not have it. */
const eps = 1e-5

/**
 * Layer norm of each head, with weights and biases of each head's own: x [R, H, D] -> [R, H, D] (the QK-norm of Chameleon, arXiv
 * 2405.09818, section 2.2, after Dehghani et al. 2023).
 */
export class HeadLayerNorm {
  /** `[H, D]`, ones at first. */
  readonly weight: Parameter
  /** `[H, D]`, zeros at first. */
  readonly bias: Parameter

  /** Adds the norm's parameters to `list`: H = `heads`, D = `headSize`. */
  constructor(list: ParameterList, heads: number, headSize: number) {
    this.weight = list.add('weight', [heads, headSize], { value: 1 })
    this.bias = list.add('bias', [heads, headSize], { value: 0 })
  }

  /** x [R, H, D] of the parameters' dtype -> y like x. @throws ArgumentError where x does not fit */
  forward(x: Tensor): Tensor {
    const same = (value: number) => full([x.size(-1)], value, x.dtype === 'bf16' ? 'bf16' : 'f32')
    const normalized = layerNorm(x, same(1), same(0), { eps })
    return add(mul(normalized, this.weight.tensor), this.bias.tensor)
  }
}
