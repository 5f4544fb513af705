import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkRank } from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'gather_rows',
  forward({ x, rows }: { x: Tensor; rows: Tensor }) {
    checkRank('x', x, 1, 6)
    checkRank('rows', rows, 1)
    checkDType('rows', rows, 'i32')
    const y = empty([rows.size(0), ...x.shape.slice(1)], x.dtype)
    native.gather_rows(y.handle, x.handle, rows.handle)
    return { output: y, saved: { rows } }
  },
  backward(dy, { rows }, request) {
    const dx = request.accumulator('x')
    if (dx) native.scatter_add_rows(dx.handle, dy.handle, rows.handle)
    return {}
  },
})

/**
 * Copies rows by their numbers: y[i] = x[rows[i]], zeros where rows[i] is -1.
 *
 * x [R, ...] of any dtype, rows [T] i32 -> y [T, ...] of x's dtype.
 * @throws ArgumentError unless shapes and dtypes are these; reading y rejects when a row is not in -1..R-1
 */
export const gatherRows = (x: Tensor, rows: Tensor): Tensor => op({ x, rows }, {})
