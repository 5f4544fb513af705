import type { GradientRequest } from '../autograd/definition.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import type { DType } from '../tensor/dtype.js'
import { elementsOf } from '../tensor/shape.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'
import { cast } from './cast.js'

/** x [..., C] as [T, C]: x itself where it is. */
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

/** Checks that a weight takes vectors of so many elements of this dtype. */
export function checkWeight(weight: Tensor, inputs: number, dtype: DType): void {
  checkShape('weight', weight, [-1, inputs])
  checkDType('weight', weight, dtype)
}

/** Enqueues y = x W^T + b, of x's dtype or another. */
export function multiply(x: Tensor, weight: Tensor, bias?: Tensor, dtype: DType = x.dtype): Tensor {
  const y = empty([...x.shape.slice(0, -1), weight.size(0)], dtype)
  const rows = rowsOf(x)
  const yRows = rowsOf(y)
  native.matmul(yRows.handle, rows.handle, weight.handle, bias?.handle, false, true)
  if (rows !== x) rows.free()
  if (yRows !== y) yRows.free()
  return y
}

/** Enqueues the gradients of `multiply` given dy [T, O]: adds the weight's, gives x's, each if it is wanted. */
export function multiplyBackward(
  dy: Tensor,
  x: Tensor,
  weight: Tensor,
  request: GradientRequest<{ x: Tensor; weight: Tensor }>,
): Tensor | undefined {
  const dweight = request.accumulator('weight')
  if (dweight) native.matmul_accumulate(dweight.handle, dy.handle, rowsOf(x).handle, true, false)
  if (!request.wants('x')) return undefined
  const dx = emptyLike(x)
  native.matmul(rowsOf(dx).handle, dy.handle, weight.handle, undefined, false, false)
  return dx
}

/** What a linear layer gives. */
export interface LinearOptions {
  /** f32 keeps what the sums of bf16 have beyond it. Default: x's dtype. */
  dtype?: 'f32'
}

/**
 * y = x W^T + b. x [..., I], weight [O, I], bias [O], all of one dtype -> [..., O]. bf16 is summed in f32; the
 * gradients of weight and bias are added up in f32.
 */
export const linear = (x: Tensor, weight: Tensor, bias?: Tensor, options: LinearOptions = {}): Tensor =>
  op({ x, weight, bias }, options)
