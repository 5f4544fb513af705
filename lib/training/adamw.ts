import { z } from 'zod'
import { checkArguments } from '../arguments.js'
import { native } from '../native.js'
import type { ParameterArena, Range } from '../nn/arena.js'
import type { Parameter } from '../nn/parameters.js'
import { keep } from '../tensor/scope.js'
import { type Tensor, zeros } from '../tensor/tensor.js'
import { Optimizer } from './optimizer_step.js'
import { ParameterGroups, rateOf, type StepRates } from './parameter_groups.js'

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
 * AdamW (Loshchilov & Hutter 2019), the paper's optimizer: m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
 * p -= lr (m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + epsilon) + weightDecay p), where g is the clipped gradient and n counts
 * the steps that were taken. One fused kernel for each range of a model's arena with and without weight decay.
 */
export class AdamW extends Optimizer {
  readonly #moments: AdamWMoments

  /** `groups`: parameters with settings of their own, see {@link ParameterGroups}. */
  constructor(arena: ParameterArena, options: AdamWOptions, groups = new ParameterGroups()) {
    checkArguments('AdamW', { arena: [arena, 'arena'], options: [options, 'object'] })
    super(arena, options.clip)
    this.#moments = new AdamWMoments(arena, options, groups)
  }

  /** All that steps depend on besides the arena's values: moments f32 [elements], steps taken i32 [1]. */
  override get state(): ReadonlyMap<string, Tensor> {
    return new Map([...this.#moments.state, ...super.state])
  }

  protected override apply(clip: Tensor, steps: Tensor, rates: StepRates): void {
    this.#moments.update(clip, steps, rates)
  }
}

/** A range of the arena that is updated with the same settings. */
interface MomentsRange extends Range {
  readonly group: number | undefined
  readonly decay: number
  /** Where its moments begin. */
  readonly moments: number
}

/** AdamW's moments of some of an arena's parameters, and their updates. */
export class AdamWMoments {
  readonly #arena: ParameterArena
  readonly #options: AdamWOptions
  readonly #ranges: readonly MomentsRange[]
  readonly #first: Tensor
  readonly #second: Tensor

  constructor(
    arena: ParameterArena,
    options: AdamWOptions,
    groups: ParameterGroups,
    chosen: (parameter: Parameter) => boolean = () => true,
  ) {
    this.#arena = arena
    this.#options = options
    let elements = 0
    this.#ranges = [true, false].flatMap((decays) => {
      const rangesOf = (also: (parameter: Parameter) => boolean) =>
        arena.ranges((parameter) => parameter.decay === decays && chosen(parameter) && also(parameter))
      // Where moments lie does not depend on the groups.
      const wholes = rangesOf(() => true).map((whole) => {
        const moments = elements
        elements += whole.length
        return { ...whole, moments }
      })
      return [undefined, ...Array(groups.count).keys()].flatMap((group) =>
        rangesOf((parameter) => groups.of(parameter) === group).map((range) => {
          const whole = wholes.find(
            ({ start, length }) => range.start >= start && range.start < start + length,
          )!
          const moments = whole.moments + range.start - whole.start
          const decay = decays ? groups.weightDecay(group, options.weightDecay) : 0
          return { ...range, group, decay, moments }
        }),
      )
    })
    this.#first = keep(zeros([elements], 'f32', arena.device))
    this.#second = keep(zeros([elements], 'f32', arena.device))
  }

  /** Both f32, of all ranges in a row. */
  get state(): ReadonlyMap<string, Tensor> {
    return new Map([
      ['first_moment', this.#first],
      ['second_moment', this.#second],
    ])
  }

  /** To be called by a step, in a scope, with its clip and the steps taken. */
  update(clip: Tensor, steps: Tensor, rates: StepRates): void {
    const { beta1, beta2, epsilon } = this.#options
    const { values, rounded, gradients } = this.#arena
    for (const { start, length, moments, decay, group } of this.#ranges) {
      const at = (flat: Tensor, begin: number) => flat.view([length], begin).handle
      native.adamw(
        at(values, start),
        rounded && at(rounded, start),
        at(this.#first, moments),
        at(this.#second, moments),
        at(gradients, start),
        clip.handle,
        steps.handle,
        rateOf(rates, group),
        beta1,
        beta2,
        epsilon,
        decay,
      )
    }
  }
}
