import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'scatter_add_rows',
  forward({ base, x, rows }: { base: Tensor; x: Tensor; rows: Tensor }) {
    checkFloat('x', x)
    checkDType('base', base, 'f32', x.dtype)
    checkRank('base', base, 1, 6)
    checkRank('rows', rows, 1)
    checkDType('rows', rows, 'i32')
    checkShape('x', x, [rows.size(0), ...base.shape.slice(1)])
    const y = emptyLike(base)
    native.cast(y.handle, base.handle)
    native.scatter_add_rows(y.handle, x.handle, rows.handle)
    return { output: y, saved: { rows, shape: x.shape } }
  },
  backward(dy, { rows, shape }, request) {
    if (!request.wants('x')) return { base: dy }
    const dx = empty(shape, dy.dtype)
    native.gather_rows(dx.handle, dy.handle, rows.handle)
    return { base: dy, x: dx }
  },
})

/**
 * Adds rows to a copy of base: y[rows[i]] += x[i] for every i, none where rows[i] is -1. Rows may repeat.
 *
 * base [R, ...] f32 or of x's dtype, x [T, ...] f32 or bf16, rows [T] i32 -> y like base.
 * @throws ArgumentError unless shapes and dtypes are these; reading y rejects when a row is not in -1..R-1
 */
export const scatterAddRows = (base: Tensor, x: Tensor, rows: Tensor): Tensor => op({ base, x, rows }, {})
