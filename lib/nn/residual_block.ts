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

  constructor(list: ParameterList, inputs: number, outputs: number, timestepChannels: number) {
    checkArguments('ResidualBlock', { list: [list, 'parameters'] })
    this.#inNorm = new LayerNorm(list.under('in_norm'), inputs, true)
    this.#inConv = new Conv2d(list.under('in_conv'), inputs, outputs, { bias: false })
    this.#timestep = new Linear(list.under('timestep'), timestepChannels, outputs, { bias: true })
    this.#outNorm = new LayerNorm(list.under('out_norm'), outputs, true)
    // From zero: a new block hands on what it is given.
    this.#outConv = new Conv2d(list.under('out_conv'), outputs, outputs, { initial: { value: 0 } })
    this.#shortcut = inputs === outputs ? undefined : new Linear(list.under('shortcut'), inputs, outputs)
  }

  /** x [N, H, W, I], timestep [N, timestep channels] -> [N, H, W, O]. */
  forward(x: Tensor, timestep: Tensor): Tensor {
    return scope(() => {
      const perImage = this.#timestep.forward(timestep)
      const h = this.#inConv.forward(this.#inNorm.forward(x), { perImage })
      const residual = this.#shortcut?.forward(x) ?? x
      return this.#outConv.forward(this.#outNorm.forward(h), { residual })
    })
  }
}
