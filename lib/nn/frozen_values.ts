import { keep } from '../tensor/scope.js'
import type { Tensor } from '../tensor/tensor.js'

/** What of an arena its frozen values are taken from. */
interface Values {
  /** Changes with every update. */
  readonly version: number
  /** f32 [elements] */
  readonly values: Tensor
  /** A copy of `values`. */
  snapshot(): Tensor
}

/**
 * An arena's values at one point of the stream, whatever becomes of them: they stay where they are until they are about
 * to change, and are then copied. Made by `ParameterArena.freeze`.
 */
export class FrozenValues {
  readonly #arena: Values
  readonly #version: number
  readonly #done: () => void
  #copy: Tensor | undefined
  #failure: Error | undefined

  /** `done`: called once the arena need not tell it of changes any more. */
  constructor(arena: Values, done: () => void) {
    this.#arena = arena
    this.#version = arena.version
    this.#done = done
  }

  /** f32 [elements], good until the next await. Throws an Error where they changed and there was no memory for a copy. */
  get tensor(): Tensor {
    if (this.#failure) throw this.#failure
    if (this.#copy) return this.#copy
    if (this.#arena.version !== this.#version)
      throw new Error('the weights were changed while they were read, without ParameterArena.changing()')
    return this.#arena.values
  }

  /** To be called before the values change. Their change must not fail for it: `tensor` throws instead. */
  copy(): void {
    this.#done()
    try {
      this.#copy = keep(this.#arena.snapshot())
    } catch (error) {
      this.#failure = new Error(
        `the weights changed while they were read, and there is no memory for a copy: ${(error as Error).message}`,
        { cause: error },
      )
    }
  }

  /** Frees the copy. */
  [Symbol.dispose](): void {
    this.#done()
    this.#copy?.free()
  }
}
