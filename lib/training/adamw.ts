import { z } from 'zod'
import { native } from '../native.js'
import type { ParameterArena, Range } from '../nn/arena.js'
import { keep, scope } from '../tensor/scope.js'
import { empty, fromArray, type Tensor, zeros } from '../tensor/tensor.js'

/** AdamW with decoupled weight decay; the paper's values (section 4.1) are the defaults. */
export const adamwSchema = z.strictObject({
  /** Decay of the mean of gradients. */
  beta1: z.number().min(0).lt(1).default(0.9),
  /** Decay of the mean of their squares. */
  beta2: z.number().min(0).lt(1).default(0.95),
  /** Added to the root of that mean. */
  epsilon: z.number().positive().default(1e-8),
  /** Applies to matrices, not to norms and biases. */
  weightDecay: z.number().min(0).default(0.1),
  /** Largest norm of all gradients together; beyond it they are scaled down. */
  clip: z.number().positive().default(1),
})
/** AdamW's settings, defaults filled in. @useDeclaredType */
export type AdamWOptions = z.output<typeof adamwSchema>

/**
 * One fused kernel over a model's arena. The clip factor, and whether the norm is finite at all, stay on the device:
 * a step with a NaN or infinite gradient, or after a failed op, leaves parameters and state as they were.
 */
export class AdamW {
  readonly #arena: ParameterArena
  readonly #options: AdamWOptions
  readonly #firstMoment: Tensor
  readonly #secondMoment: Tensor
  readonly #steps: Tensor

  constructor(arena: ParameterArena, options: AdamWOptions) {
    this.#arena = arena
    this.#options = options
    arena.zeroGradients()
    this.#firstMoment = keep(zeros([arena.elements]))
    this.#secondMoment = keep(zeros([arena.elements]))
    this.#steps = keep(fromArray(Int32Array.of(0)))
  }

  /** All that steps depend on besides the arena's values: moments f32 [elements], steps taken i32 [1]. */
  get state(): ReadonlyMap<string, Tensor> {
    return new Map([
      ['first_moment', this.#firstMoment],
      ['second_moment', this.#secondMoment],
      ['steps', this.#steps],
    ])
  }

  /**
   * Applies the arena's gradients and zeroes them. Returns [3] f32: the gradients' norm, the factor they were scaled
   * by, and 1 if the step was taken, 0 if the norm was not finite.
   */
  step(learningRate: number): Tensor {
    const arena = this.#arena
    const clip = empty([3])
    native.gradient_norm(clip.handle, arena.gradients.handle, this.#options.clip)
    native.count_step(this.#steps.handle, clip.handle)
    this.#update(arena.decayed, clip, learningRate, this.#options.weightDecay)
    this.#update(arena.undecayed, clip, learningRate, 0)
    arena.updated()
    arena.zeroGradients()
    return clip
  }

  #update(range: Range, clip: Tensor, learningRate: number, decay: number): void {
    if (range.length === 0) return
    const { beta1, beta2, epsilon } = this.#options
    scope(() => {
      const [values, first, second, gradients] = [
        this.#arena.values,
        this.#firstMoment,
        this.#secondMoment,
        this.#arena.gradients,
      ].map((flat) => flat.view([range.length], range.start).handle) as [number, number, number, number]
      native.adamw(
        values,
        first,
        second,
        gradients,
        clip.handle,
        this.#steps.handle,
        learningRate,
        beta1,
        beta2,
        epsilon,
        decay,
      )
    })
  }

  /** Frees the moments. */
  [Symbol.dispose](): void {
    for (const tensor of this.state.values()) tensor.free()
  }
}
