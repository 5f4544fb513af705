import { native } from '../native.js'
import type { ParameterArena } from '../nn/arena.js'
import { keep } from '../tensor/scope.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'

/** An exponential moving average of a model's weights, which samples better than the weights themselves. */
export class Ema {
  readonly #arena: ParameterArena
  readonly #average: Tensor
  readonly #updates: Tensor
  #lent = false

  /** `decay`: the largest; it grows as (1 + n) / (10 + n), so that early values are soon forgotten. */
  constructor(
    arena: ParameterArena,
    readonly decay: number,
  ) {
    this.#arena = arena
    this.#average = keep(arena.snapshot())
    this.#updates = keep(fromArray(Int32Array.of(0)))
  }

  /** The average f32 [elements] and the updates i32 [1] that it has seen. */
  get state(): ReadonlyMap<string, Tensor> {
    return new Map([
      ['average', this.#average],
      ['updates', this.#updates],
    ])
  }

  update(): void {
    native.ema(this.#average.handle, this.#updates.handle, this.#arena.values.handle, this.decay)
  }

  /**
   * Runs `body` on a model that has the averaged weights, then gives it its own back. Meanwhile the average holds
   * those: nothing may train, and a second call rejects.
   */
  async using<R>(body: () => Promise<R>): Promise<R> {
    if (this.#lent) throw new Error('Ema.using: the averaged weights are in use already')
    this.#lent = true
    this.#arena.swap(this.#average)
    try {
      return await body()
    } finally {
      this.#arena.swap(this.#average)
      this.#lent = false
    }
  }

  /** Makes the average the model's weights. */
  apply(): void {
    this.#arena.restore(this.#average)
  }

  [Symbol.dispose](): void {
    for (const tensor of this.state.values()) tensor.free()
  }
}
