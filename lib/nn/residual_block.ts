import { checkArguments } from '../arguments.js'
import { scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'
import { Conv2d } from './conv2d.js'
import { Linear } from './linear.js'
import { LayerNorm } from './norm.js'
import type { ParameterList } from './parameters.js'

/**
 * A residual block of the U-Net (Nichol and Dhariwal 2021), with plain layer norm over each position's channels in the
 * place of an adaptive one (paper, section 3):
 *
 *     h = conv(silu(norm(x))) + the image's timestep        y = shortcut(x) + conv(silu(norm(h)))
 *
 * The timestep is the first convolution's bias; the shortcut is linear where the number of channels changes.
 */
export class ResidualBlock {
  readonly #inNorm: LayerNorm
  readonly #inConv: Conv2d
  readonly #timestep: Linear
  readonly #outNorm: LayerNorm
  readonly #outConv: Conv2d
  readonly #shortcut: Linear | undefined

  /** Adds the block's parameters to `list`: I = `inputs`, O = `outputs`. */
  constructor(list: ParameterList, inputs: number, outputs: number, timestepChannels: number) {
    checkArguments('ResidualBlock', { list: [list, 'parameters'] })
    this.#inNorm = new LayerNorm(list.under('in_norm'), inputs, true)
    this.#inConv = new Conv2d(list.under('in_conv'), inputs, outputs, { bias: false })
    this.#timestep = new Linear(list.under('timestep'), timestepChannels, outputs, { bias: true })
    this.#outNorm = new LayerNorm(list.under('out_norm'), outputs, true)
    // Zeros at first, so that a new block returns its input, or its shortcut.
    this.#outConv = new Conv2d(list.under('out_conv'), outputs, outputs, { initial: { value: 0 } })
    this.#shortcut = inputs === outputs ? undefined : new Linear(list.under('shortcut'), inputs, outputs)
  }

  /**
   * x [N, H, W, I], timestep [N, timestep channels], of the parameters' dtype -> y [N, H, W, O].
   * @throws ArgumentError where shapes or dtypes do not fit
   */
  forward(x: Tensor, timestep: Tensor): Tensor {
    return scope(() => {
      const perImage = this.#timestep.forward(timestep)
      const h = this.#inConv.forward(this.#inNorm.forward(x), { perImage })
      const residual = this.#shortcut?.forward(x) ?? x
      return this.#outConv.forward(this.#outNorm.forward(h), { residual })
    })
  }
}
