import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkRank, checkShape } from '../tensor/check.js'
import type { Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'write_rows',
  forward({ y, x, rows }: { y: Tensor; x: Tensor; rows: Tensor }) {
    checkRank('y', y, 1, 6)
    checkRank('rows', rows, 1)
    checkDType('rows', rows, 'i32')
    checkDType('x', x, y.dtype)
    checkShape('x', x, [rows.size(0), ...y.shape.slice(1)])
    native.write_rows(y.handle, x.handle, rows.handle)
    return { output: y, saved: {} }
  },
  backward: 'none',
})

/**
 * Overwrites rows of y in place: y[rows[i]] = x[i], nothing where rows[i] is -1; of equal rows the last stays. It is
 * made for caches and has no derivative.
 *
 * y [R, ...] and x [T, ...] of one dtype, any; rows [T] i32.
 * @throws ArgumentError unless shapes and dtypes are these; reading y rejects when a row is not in -1..R-1
 */
export const writeRows = (y: Tensor, x: Tensor, rows: Tensor): void => void op({ y, x, rows }, {})
