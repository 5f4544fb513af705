import { checkArguments } from '../arguments.js'
import { native } from '../native.js'
import { noGrad } from '../autograd/tape.js'
import { add } from '../ops/add.js'
import { cast } from '../ops/cast.js'
import { concat } from '../ops/concat.js'
import { linear } from '../ops/linear.js'
import { matmul } from '../ops/matmul.js'
import { scale } from '../ops/scale.js'
import { withDevice } from '../tensor/device.js'
import { scope } from '../tensor/scope.js'
import { isBlockDType } from '../tensor/dtype.js'
import { empty, type Tensor } from '../tensor/tensor.js'
import type { ParameterArena } from './arena.js'
import type { LowRankFactors, Parameter, ParameterList, WeightUpdate } from './parameters.js'

/**
 * LoRA (Hu et al., arXiv 2106.09685): trains an update of low rank beside a weight W [O, I] that stays as it is,
 * y = x W^T + (alpha / r) (x A^T) B^T. Each of the matrices below each other that W is made of (`matrixRows`) has factors of its
 * own. A begins normal with PEFT's std, 1 / sqrt(3 I) (there uniform; our choice), B with zeros, so that y is at first x W^T.
 */
export class LowRankUpdate implements WeightUpdate {
  /** One for each matrix of the weight, in its order. */
  readonly factors: readonly LowRankFactors[]
  /** alpha / r. */
  readonly scale: number

  /**
   * Adds the factors to `list`; it counts once it is the weight's `update`. `options`: r and alpha.
   * @throws TypeError where an argument is none of these
   */
  constructor(list: ParameterList, weight: Parameter, options: { rank: number; alpha: number }) {
    checkArguments('LowRankUpdate', {
      list: [list, 'parameters'],
      weight: [weight, 'parameter'],
      options: [options, 'object'],
    })
    const { rank, alpha } = options
    const [outputs, inputs] = weight.shape as [number, number]
    let start = 0
    this.factors = (weight.matrixRows ?? [outputs]).map((count, i) => {
      const rows = { start, count }
      start += count
      const initial = { std: 1 / Math.sqrt(3 * inputs) }
      return {
        a: list.add(`lora_A.${i}`, [rank, inputs], initial, [rank]),
        b: list.add(`lora_B.${i}`, [count, rank], { value: 0 }, [count]),
        rows,
      }
    })
    this.scale = alpha / rank
  }

  /** x [..., I] of the parameters' dtype -> what the update adds to y [..., O]. */
  forward(x: Tensor): Tensor {
    const ys = this.factors.map(({ a, b }) => linear(scale(linear(x, a.tensor), this.scale), b.tensor))
    return ys.length === 1 ? ys[0]! : concat(ys, -1)
  }
}

/** Adds scale B A to W [O, I] in place: f32 or bf16, the sum in f32. A [r, I] and B [O, r] are f32. */
function addProduct(weight: Tensor, a: Tensor, b: Tensor, factor: number): void {
  withDevice(weight.device, () =>
    noGrad(() =>
      scope(() => {
        const sum = add(cast(weight, 'f32'), scale(matmul(b, a), factor))
        native.cast(weight.handle, sum.handle)
      }),
    ),
  )
}

/**
 * The values of a parameter out of `values`, which lie as the arena's do, like `ParameterArena.valuesAmong`, but with its
 * update merged: W + (alpha / r) B A, then a copy in f32. To be freed.
 */
export function mergedValues(arena: ParameterArena, values: Tensor, parameter: Parameter): Tensor {
  const own = arena.valuesAmong(values, parameter)
  const { update } = parameter
  if (!update) return own
  const merged = empty(parameter.shape, 'f32', arena.device)
  native.cast(merged.handle, own.handle)
  own.free()
  for (const factors of update.factors) {
    using rows = rowsOf(merged, factors.rows)
    using a = arena.valuesAmong(values, factors.a)
    using b = arena.valuesAmong(values, factors.b)
    addProduct(rows, a, b, update.scale)
  }
  return merged
}

/**
 * Adds `factor` B A to some rows of a parameter's values, A and B those that another arena has; `updated` is to follow.
 * @throws Error where the parameter's values are kept in blocks
 */
export function mergeUpdate(
  arena: ParameterArena,
  parameter: Parameter,
  { rows, a, b, factor, values }: LowRankFactors & { factor: number; values: ParameterArena },
): void {
  const isFixed = arena.fixed.has(parameter)
  const dtype = isFixed ? arena.fixed.dtypeOf(parameter) : 'f32'
  if (dtype === undefined || isBlockDType(dtype))
    throw new Error(
      `parameter ${parameter.name}: its values are quantised (${dtype ?? 'in parts'}), and no update is merged into them: load ` +
        "the model with weights 'f32'",
    )
  arena.changing()
  using whole = arena.valuesOf(parameter)
  using target = rowsOf(whole, rows)
  using aValues = values.valuesOf(a)
  using bValues = values.valuesOf(b)
  addProduct(target, aValues, bValues, factor)
  if (isFixed) arena.fixed.changed(parameter)
}

const rowsOf = (matrix: Tensor, { start, count }: LowRankFactors['rows']): Tensor =>
  matrix.view([count, matrix.size(1)], start * matrix.size(1))
