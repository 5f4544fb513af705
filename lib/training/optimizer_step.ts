import { native } from '../native.js'
import type { ParameterArena } from '../nn/arena.js'
import { keep, scope } from '../tensor/scope.js'
import { empty, fromArray, type Tensor } from '../tensor/tensor.js'

/** What updates a model's parameters from their gradients. */
export interface Optimizer {
  /**
   * By name all that steps depend on besides the arena's values; what a checkpoint holds. `steps`: those taken, i32 [1].
   */
  readonly state: ReadonlyMap<string, Tensor>

  /**
   * Applies the arena's gradients and zeroes them. Returns [3] f32: the gradients' norm, the factor they were scaled
   * by, and 1 if the step was taken, 0 if the norm was not finite. Throws where memory is out, with nothing changed; after
   * any other error the arena's values and the state are of no step, see `ParameterArena.consistent`.
   */
  step(learningRate: number): Tensor

  /** Frees its state. */
  [Symbol.dispose](): void
}

/**
 * What every optimizer does around its updates. The clip factor, and whether the norm is finite at all, stay on the
 * device: a step with a NaN or infinite gradient, or after a failed op, leaves parameters and state as they were.
 */
export class OptimizerStep {
  readonly #arena: ParameterArena
  readonly #clip: number
  readonly #steps: Tensor

  constructor(arena: ParameterArena, clip: number) {
    this.#arena = arena
    this.#clip = clip
    arena.zeroGradients()
    this.#steps = keep(fromArray(Int32Array.of(0), [1], 'i32', arena.device))
  }

  /** Steps taken, i32 [1]. */
  get state(): ReadonlyMap<string, Tensor> {
    return new Map([['steps', this.#steps]])
  }

  /**
   * Runs `update` in a scope, and returns what a step returns. `rehearse` takes and frees what memory the update will
   * take: where there is too little, the step throws before it has changed anything.
   */
  run(update: (clip: Tensor, steps: Tensor) => void, rehearse: () => void = () => {}): Tensor {
    const arena = this.#arena
    const emptyClip = () => empty([3], 'f32', arena.device)
    scope(() => {
      emptyClip()
      rehearse()
    })
    const clip = emptyClip()
    native.gradient_norm(clip.handle, arena.gradients.handle, this.#clip)
    arena.changing()
    native.count_step(this.#steps.handle, clip.handle)
    scope(() => update(clip, this.#steps))
    arena.zeroGradients()
    arena.updated()
    return clip
  }
}
