import { release, scope } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'

/** What makes one tensor of another. */
export interface Layer {
  forward(x: Tensor): Tensor
}

/**
 * Layers one after the other, each on the result of the one before it, which is freed as soon as the next has run, unless the
 * tape needs it: large images are in memory once, however many layers there are.
 */
export class Sequential implements Layer {
  readonly #layers: readonly Layer[]

  constructor(layers: readonly Layer[]) {
    this.#layers = layers
  }

  /** x -> what the last layer gives; x itself where there is none. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      let h = x
      for (const layer of this.#layers) {
        const before = h
        h = scope(() => layer.forward(before))
        if (before !== x && before !== h) release(before)
      }
      return h
    })
  }
}
