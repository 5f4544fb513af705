import { native } from '../native.js'
import type { ParameterArena } from '../nn/arena.js'
import { keep } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'

/** An exponential moving average of a model's weights, which samples better than the weights themselves. */
export class Ema {
  readonly #arena: ParameterArena
  readonly #average: Tensor
  #updates = 0

  /** `decay`: the largest; it grows as (1 + n) / (10 + n), so that early values are soon forgotten. */
  constructor(
    arena: ParameterArena,
    readonly decay: number,
  ) {
    this.#arena = arena
    this.#average = keep(arena.snapshot())
  }

  update(): void {
    const decay = Math.min(this.decay, (1 + this.#updates) / (10 + this.#updates))
    this.#updates++
    native.lerp(this.#average.handle, this.#arena.values.handle, 1 - decay)
  }

  /** Runs `body` on a model that has the averaged weights, then gives it its own back. */
  async using<R>(body: () => Promise<R>): Promise<R> {
    const own = keep(this.#arena.snapshot())
    this.#arena.restore(this.#average)
    try {
      return await body()
    } finally {
      this.#arena.restore(own)
      own.free()
    }
  }

  /** Makes the average the model's weights. */
  apply(): void {
    this.#arena.restore(this.#average)
  }

  [Symbol.dispose](): void {
    this.#average.free()
  }
}
