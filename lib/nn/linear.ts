import { checkArguments } from '../arguments.js'
import { add } from '../ops/add.js'
import { concat } from '../ops/concat.js'
import { linear, type LinearOptions } from '../ops/linear.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Initial, Parameter, ParameterList } from './parameters.js'

/** A linear layer: y = x W^T + b, x [..., I] -> [..., O]. By default it has no bias, as in Llama. */
export class Linear {
  /** W [O, I]. */
  readonly weight: Parameter
  /** b [O]. */
  readonly bias: Parameter | undefined

  /**
   * Adds the layer's parameters to `list`: I = `inputs`, O = `outputs`. The weight begins normal with std 1 / sqrt(I) unless
   * `initial` says otherwise (our choice), the bias with zeros. `matrixRows` are the outputs of each matrix between hidden
   * channels that the weight is made of, see {@link Parameter}.
   * @throws TypeError where `list` is no ParameterList or a size no integer of at least 0
   */
  constructor(
    list: ParameterList,
    inputs: number,
    outputs: number,
    options: { initial?: Initial; bias?: boolean; matrixRows?: readonly number[] } = {},
  ) {
    checkArguments('Linear', { list: [list, 'parameters'] })
    const { initial = { std: 1 / Math.sqrt(inputs) }, matrixRows } = options
    this.weight = list.add('weight', [outputs, inputs], initial, matrixRows)
    this.bias = options.bias ? list.add('bias', [outputs], { value: 0 }) : undefined
  }

  /** x [..., I] of the parameters' dtype -> y [..., O]; options and errors as in {@link linear}. */
  forward(x: Tensor, options?: LinearOptions): Tensor {
    const y = this.#product(x, options)
    const { update } = this.weight
    return update ? add(y, update.forward(x)) : y
  }

  #product(x: Tensor, options?: LinearOptions): Tensor {
    const bias = this.bias?.tensor
    const { parts } = this.weight
    if (!parts) return linear(x, this.weight.tensor, bias, options)
    let row = 0
    const ys = parts.map((part) => {
      const own = bias?.view([part.size(0)], row)
      row += part.size(0)
      return linear(x, part, own, options)
    })
    return concat(ys, -1)
  }
}
