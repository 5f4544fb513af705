import type { GradientRequest } from '../autograd/definition.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { type DType, isBlockDType } from '../tensor/dtype.js'
import { elementsOf } from '../tensor/shape.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'
import { cast } from './cast.js'

/** x [..., C] as [T, C]: x itself where it has two axes, otherwise a view. */
export const rowsOf = (x: Tensor): Tensor =>
  x.rank === 2 ? x : x.view([elementsOf(x.shape.slice(0, -1)), x.size(-1)])

const op = defineOp({
  name: 'linear',
  optional: ['bias'],
  forward(
    { x, weight, bias }: { x: Tensor; weight: Tensor; bias: Tensor | undefined },
    { dtype }: LinearOptions,
  ) {
    if (dtype !== undefined && dtype !== 'f32') throw new ArgumentError('dtype', 'be f32 or left out', dtype)
    checkFloat('x', x)
    checkRank('x', x, 1, 6)
    checkWeight(weight, x.size(-1), x.dtype)
    if (bias) {
      checkShape('bias', bias, [weight.size(0)])
      checkDType('bias', bias, x.dtype)
    }
    return { output: multiply(x, weight, bias, dtype), saved: { x, weight } }
  },
  backward(dy, { x, weight }, request) {
    const dyRows = rowsOf(dy.dtype === x.dtype ? dy : cast(dy, 'bf16'))
    const dbias = request.accumulator('bias')
    if (dbias) native.sum_rows(dbias.handle, dyRows.handle)
    return { x: multiplyBackward(dyRows, x, weight, request) }
  },
})

/** Checks that a weight [O, I] has I = `inputs` and this dtype, or is quantised. */
export function checkWeight(weight: Tensor, inputs: number, dtype: DType): void {
  checkShape('weight', weight, [-1, inputs])
  if (!isBlockDType(weight.dtype)) checkDType('weight', weight, dtype)
}

/** Enqueues y = x W^T + b, in x's dtype or another. */
export function multiply(x: Tensor, weight: Tensor, bias?: Tensor, dtype: DType = x.dtype): Tensor {
  const y = empty([...x.shape.slice(0, -1), weight.size(0)], dtype)
  const rows = rowsOf(x)
  const yRows = rowsOf(y)
  if (isBlockDType(weight.dtype))
    native.quantized_matmul(yRows.handle, rows.handle, weight.handle, bias?.handle)
  else native.matmul(yRows.handle, rows.handle, weight.handle, bias?.handle, false, true)
  if (rows !== x) rows.free()
  if (yRows !== y) yRows.free()
  return y
}

/** Enqueues the gradients of `multiply` given dy [T, O], those that are wanted: accumulates the weight's, returns x's. */
export function multiplyBackward(
  dy: Tensor,
  x: Tensor,
  weight: Tensor,
  request: GradientRequest<{ x: Tensor; weight: Tensor }>,
): Tensor | undefined {
  request.accumulate('weight', (dweight, first) => {
    const operands = [dweight.handle, dy.handle, rowsOf(x).handle, true, false] as const
    if (first) native.matmul_part(...operands)
    else native.matmul_accumulate(...operands)
  })
  if (!request.wants('x')) return undefined
  const dx = emptyLike(x)
  // Through quantised weights as if rows of x had not been rounded.
  const floats = isBlockDType(weight.dtype) ? empty(weight.shape, dy.dtype) : weight
  if (floats !== weight) native.cast(floats.handle, weight.handle)
  native.matmul(rowsOf(dx).handle, dy.handle, floats.handle, undefined, false, false)
  if (floats !== weight) floats.free()
  return dx
}

/** Options of `linear`. */
export interface LinearOptions {
  /** The result's dtype: f32 keeps the precision of the f32 sums of bf16 arguments. x's dtype by default. */
  dtype?: 'f32'
}

/**
 * A linear layer: y = x W^T + b.
 *
 * x [..., I] of 1 to 6 axes, weight [O, I], bias [O], all f32 or all bf16 -> y [..., O] of their dtype, or f32 where
 * `options.dtype` says so. bf16 is summed in f32; the gradients of weight and bias are added up in f32.
 *
 * With a weight of a block dtype (see `BlockDType`) rows of x are rounded to int8 in groups of 32 with a scale
 * each (as llama.cpp does), products of a group are exact, groups are added up in f32. A row of x with a value that is not
 * finite gives NaN. The gradient of x is that of the weight's widened values, as if x had not been rounded; the weight has none.
 * @throws ArgumentError unless shapes and dtypes fit
 */
export const linear = (x: Tensor, weight: Tensor, bias?: Tensor, options: LinearOptions = {}): Tensor =>
  op({ x, weight, bias }, options)
