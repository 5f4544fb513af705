import { native } from '../native.js'
import type { GradientTarget, Tensor } from '../tensor/tensor.js'

/**
 * The sum of a parameter's gradients, in memory that need not be zeroed before: kernels that can write the first of them do.
 */
export class GradientSum implements GradientTarget {
  readonly #memory: Tensor
  readonly #versionOf: () => number
  /** Whether it is zeros, whatever the memory holds. */
  #empty = false

  /** `memory`: f32, with the sum so far, which is then its own to free. `versionOf`: of the parameter's values. */
  constructor(memory: Tensor, versionOf: () => number) {
    this.#memory = memory
    this.#versionOf = versionOf
  }

  get version(): number {
    return this.#versionOf()
  }

  get gradient(): Tensor {
    this.settle()
    return this.#memory
  }

  /** Zeros the memory where that is left to do. */
  settle(): void {
    if (this.#empty) native.zero(this.#memory.handle)
    this.#empty = false
  }

  accumulate(kernel: (gradient: Tensor, first: boolean) => void): void {
    kernel(this.#memory, this.#empty)
    this.#empty = false
  }

  /** Makes it zeros. */
  clear(): void {
    this.#empty = true
  }

  /** Frees the memory. */
  free(): void {
    this.#memory.free()
  }
}
