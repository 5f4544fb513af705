import { checkArguments } from '../arguments.js'
import { linear, type LinearOptions } from '../ops/linear.js'
import type { Tensor } from '../tensor/tensor.js'
import type { Initial, Parameter, ParameterList } from './parameters.js'

/** y = x W^T + b. x [..., I] -> [..., O]; the bias is left out by default, as in Llama. */
export class Linear {
  /** W [O, I]. */
  readonly weight: Parameter
  /** b [O]. */
  readonly bias: Parameter | undefined

  /**
   * The weight begins normal with std 1 / sqrt(I) unless `initial` says otherwise (our choice). `matrixRows`: the outputs
   * of each matrix between hidden channels that it is made of, see {@link Parameter}.
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

  /** x [..., I] -> [..., O]; see `linear`. */
  forward(x: Tensor, options?: LinearOptions): Tensor {
    return linear(x, this.weight.tensor, this.bias?.tensor, options)
  }
}
