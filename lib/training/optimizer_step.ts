import { native } from '../native.js'
import type { ParameterArena } from '../nn/arena.js'
import { keep, scope } from '../tensor/scope.js'
import type { StepRates } from './parameter_groups.js'
import { empty, fromArray, type Tensor } from '../tensor/tensor.js'

/**
 * What updates a network's parameters from their gradients. The clip factor, and whether the norm is finite at all, stay on
 * the device: a step with a NaN or infinite gradient, or after a failed op, leaves parameters and state as they were.
 */
export abstract class Optimizer {
  readonly #maxNorm: number
  readonly #steps: Tensor

  /** `maxNorm`: of all gradients together; beyond it they are scaled down. */
  constructor(
    /** Of the parameters. */
    protected readonly arena: ParameterArena,
    maxNorm: number,
  ) {
    this.#maxNorm = maxNorm
    arena.zeroGradients()
    this.#steps = keep(fromArray(Int32Array.of(0), [1], 'i32', arena.device))
  }

  /**
   * By name all that steps depend on besides the arena's values; what a checkpoint holds. `steps`: those taken, i32 [1].
   */
  get state(): ReadonlyMap<string, Tensor> {
    return new Map([['steps', this.#steps]])
  }

  /**
   * Clips the arena's gradients, updates all its parameters, and zeroes the gradients. `learningRate`: of this step; `groups`:
   * those of parameters with settings of their own, one for each group. Returns
   * f32 [3], which the caller frees: the gradients' norm before clipping, the factor that they were scaled by, and 1; or 0
   * where the norm was not finite and nothing was updated.
   * @throws Error where memory is out, with nothing changed; after any other error the arena's values and the state are of no
   *   step, see `ParameterArena.consistent`
   */
  step(learningRate: number, groups: readonly number[] = []): Tensor {
    const { arena } = this
    return scope(() => {
      const clip = this.measure()
      this.rehearse()
      arena.changing()
      this.update(clip, { run: learningRate, groups })
      arena.zeroGradients()
      arena.updated({ rounded: true })
      return clip
    })
  }

  /** What `step` returns, of the gradients as they are now. */
  measure(): Tensor {
    const clip = empty([3], 'f32', this.arena.device)
    native.gradient_norm(clip.handle, this.arena.gradients.handle, this.#maxNorm)
    return clip
  }

  /** Takes and frees the memory that `update` will take: throws where there is too little, with nothing changed. */
  rehearse(): void {}

  /**
   * Updates the parameters, unless the third value of `clip`, which `measure` has returned, is 0. The arena is told by the
   * caller: `changing` before, `updated` after.
   */
  update(clip: Tensor, rates: StepRates): void {
    native.count_step(this.#steps.handle, clip.handle)
    scope(() => this.apply(clip, this.#steps, rates))
  }

  /** Enqueues the update itself, of values and of `ParameterArena.rounded`. `steps`: with this one. */
  protected abstract apply(clip: Tensor, steps: Tensor, rates: StepRates): void

  /** Frees its state. */
  [Symbol.dispose](): void {
    for (const tensor of this.state.values()) tensor.free()
  }
}
