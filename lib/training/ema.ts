import { checkArguments } from '../arguments.js'
import { native } from '../native.js'
import type { ParameterArena } from '../nn/arena.js'
import { keep } from '../tensor/scope.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'

/** An exponential moving average of a model's weights, which samples better than the weights themselves. */
export class Ema {
  readonly #arena: ParameterArena
  /** f32 [elements]: the average; while it is swapped in, the model's own weights. */
  readonly average: Tensor
  /** i32 [1]: the number of updates so far. */
  readonly updates: Tensor
  #swappedIn = false
  /** The arena's version when the average was swapped in. */
  #version = 0

  /** `decay`: the largest; it grows as (1 + n) / (10 + n), so that early values are soon forgotten. */
  constructor(
    arena: ParameterArena,
    /** The largest decay. */
    readonly decay: number,
  ) {
    checkArguments('Ema', { arena: [arena, 'arena'], decay: [decay, 'number'] })
    this.#arena = arena
    this.average = keep(arena.snapshot())
    this.updates = keep(fromArray(Int32Array.of(0), [1], 'i32', arena.device))
  }

  /** Takes the model's weights, as they are now, into the average. */
  update(): void {
    native.ema(this.average.handle, this.updates.handle, this.#arena.values.handle, this.decay)
  }

  /** Whether the model has the averaged weights at present. It must not be trained meanwhile. */
  get swappedIn(): boolean {
    return this.#swappedIn
  }

  /**
   * Exchanges the model's weights and the average; the next call exchanges them back. Throws where the model's weights were
   * changed while the average was swapped in: the change would be taken for the average.
   */
  swap(): void {
    if (this.#swappedIn && this.#arena.version !== this.#version)
      throw new Error(
        'Ema: the weights were changed while the model had the averaged ones: train them with a new trainer, or restore a ' +
          'checkpoint',
      )
    this.#arena.swap(this.average)
    this.#version = this.#arena.version
    this.#swappedIn = !this.#swappedIn
  }

  /** Makes the model's present weights the average. The caller then writes the weights that are trained into the model. */
  adopt(): void {
    native.cast(this.average.handle, this.#arena.values.handle)
    this.#swappedIn = false
  }

  /** Runs `body` on a model that has the averaged weights, then gives it its own back. */
  async using<R>(body: () => Promise<R>): Promise<R> {
    if (this.#swappedIn) throw new Error('Ema.using: the averaged weights are in use already')
    this.swap()
    try {
      return await body()
    } finally {
      this.swap()
    }
  }

  /** Frees the average. */
  [Symbol.dispose](): void {
    this.average.free()
    this.updates.free()
  }
}
