import { wrongArgument } from '../arguments.js'
import { elementsOf, type Shape } from '../tensor/shape.js'
import type { Tensor } from '../tensor/tensor.js'

/** How a parameter begins: normal with this standard deviation, or one value everywhere. */
export type Initial = { std: number } | { value: number }

/** The update of one of the matrices of a weight. */
export interface LowRankFactors {
  /** A [r, I]. */
  readonly a: Parameter
  /** B [O, r]. */
  readonly b: Parameter
  /** The weight's rows that it is of. */
  readonly rows: { readonly start: number; readonly count: number }
}

/** What is trained beside the weight W of a linear layer: y = x W^T + `forward`(x), see `LowRankUpdate`. */
export interface WeightUpdate {
  /** One for each matrix of the weight, in its order. */
  readonly factors: readonly LowRankFactors[]
  /** alpha / r: W + `scale` B A is what the layer computes with. */
  readonly scale: number
  /** x [..., I] of the parameters' dtype -> what is added to y [..., O]. */
  forward(x: Tensor): Tensor
}

/** A named part of a model's arena (see arena.ts), which gives it its tensor. */
export class Parameter {
  #tensor: Tensor | undefined
  /**
   * Its matrices below each other (`matrixRows`), where each is of a dtype of its own and there is no one tensor of them:
   * weights that are not trained, see fixed_parameters.ts.
   */
  parts: readonly Tensor[] | undefined
  /** What is trained beside a linear layer's weight, see low_rank.ts. */
  update: WeightUpdate | undefined

  constructor(
    /** By which files know it: "embedding.weight". */
    readonly name: string,
    /** Row-major; a matrix is [outputs, inputs]. */
    readonly shape: Shape,
    /** What it begins with. */
    readonly initial: Initial,
    /** Whether weight decay applies: matrices, not norms and biases. */
    readonly decay: boolean,
    /**
     * Rows of each matrix that it is made of, one below the other, where an optimizer may treat it as matrices: those
     * between hidden channels, which Muon is for. Absent: not one of them.
     */
    readonly matrixRows?: readonly number[],
  ) {}

  /** The values that ops use: f32, bf16 where the model computes in bf16, or quantised. */
  get tensor(): Tensor {
    if (this.parts) throw new Error(`parameter ${this.name} is in parts of several dtypes, and no one tensor`)
    if (!this.#tensor) throw new Error(`parameter ${this.name} has no arena yet`)
    return this.#tensor
  }

  set tensor(tensor: Tensor) {
    this.#tensor = tensor
  }
}

/** Collects the parameters of a model while its modules are made; `under` prefixes their names. */
export class ParameterList {
  readonly #all: Parameter[]
  readonly #prefix: string

  constructor(all: Parameter[] = [], prefix = '') {
    this.#all = all
    this.#prefix = prefix
  }

  /** All of the model, in the order they were added. */
  get parameters(): readonly Parameter[] {
    return this.#all
  }

  /** Number of values that they have together. */
  get parameterCount(): number {
    return this.#all.reduce((total, { shape }) => total + elementsOf(shape), 0)
  }

  /** The same list, for a part of the model: names below get `name.` in front. */
  under(name: string): ParameterList {
    return new ParameterList(this.#all, `${this.#prefix}${name}.`)
  }

  /** Adds a parameter; a matrix gets weight decay, a vector none. `matrixRows`: see Parameter. */
  add(name: string, shape: Shape, initial: Initial, matrixRows?: readonly number[]): Parameter {
    if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0))
      throw wrongArgument('ParameterList.add', `shape of ${this.#prefix}${name}`, 'an array of sizes', shape)
    const parameter = new Parameter(`${this.#prefix}${name}`, shape, initial, shape.length >= 2, matrixRows)
    this.#all.push(parameter)
    return parameter
  }
}
