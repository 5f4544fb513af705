import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkRank, checkShape } from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

// Rows in groups, and all in one order again: each is the other's derivative.

type Groups = { rows: readonly Tensor[] }

const checkRows = (rows: readonly Tensor[]): void =>
  rows.forEach((numbers, i) => {
    checkRank(`rows[${i}]`, numbers, 1)
    checkDType(`rows[${i}]`, numbers, 'i32')
  })

const countOf = (rows: readonly Tensor[]): number => rows.reduce((sum, { elements }) => sum + elements, 0)

function join(xs: readonly Tensor[], rows: readonly Tensor[]): Tensor {
  const y = empty([countOf(rows), ...xs[0]!.shape.slice(1)], xs[0]!.dtype)
  xs.forEach((x, i) => native.write_rows(y.handle, x.handle, rows[i]!.handle))
  return y
}

const cut = (x: Tensor, rows: readonly Tensor[]): Tensor[] =>
  rows.map((numbers) => {
    const part = empty([numbers.elements, ...x.shape.slice(1)], x.dtype)
    native.gather_rows(part.handle, x.handle, numbers.handle)
    return part
  })

const splitOp = defineOp({
  name: 'split_rows',
  lists: ['rows'],
  forward({ x, rows }: { x: Tensor } & Groups) {
    checkRank('x', x, 1, 6)
    checkRows(rows)
    if (countOf(rows) !== x.size(0))
      throw new ArgumentError('rows', `be ${x.size(0)} in all, as x has`, `${countOf(rows)}`)
    return { output: cut(x, rows), saved: { rows } }
  },
  backward: (dys: readonly Tensor[], { rows }) => ({ x: join(dys, rows) }),
})

const joinOp = defineOp({
  name: 'join_rows',
  lists: ['xs', 'rows'],
  forward({ xs, rows }: { xs: readonly Tensor[] } & Groups) {
    const first = xs[0]
    if (!first) throw new ArgumentError('xs', 'hold at least one tensor', 'none')
    checkRank('xs[0]', first, 1, 6)
    checkRows(rows)
    if (rows.length !== xs.length)
      throw new ArgumentError('rows', `be ${xs.length}, one for each of xs`, `${rows.length}`)
    xs.forEach((x, i) => {
      checkDType(`xs[${i}]`, x, first.dtype)
      checkShape(`xs[${i}]`, x, [rows[i]!.elements, ...first.shape.slice(1)])
    })
    return { output: join(xs, rows), saved: { rows } }
  },
  backward: (dy, { rows }) => ({ xs: cut(dy, rows) }),
})

/**
 * Copies the rows of x into groups: y_g[i] = x[rows_g[i]].
 *
 * x [T, ...] of any dtype, rows: for each group i32 [R_g]; together they name each row of x once -> a tensor [R_g, ...] of x's
 * dtype for each group. `joinRows` is its inverse.
 * @throws ArgumentError unless shapes and dtypes are these; reading rejects where a row is not in 0..T-1
 */
export const splitRows = (x: Tensor, rows: readonly Tensor[]): readonly Tensor[] => splitOp({ x, rows }, {})

/**
 * The rows of several tensors in one order: y[rows_g[i]] = xs_g[i].
 *
 * xs: [R_g, ...] of one dtype, any; rows: for each of xs i32 [R_g]; together they name each row of y once -> y [T, ...], T the
 * sum of R_g. `splitRows` is its inverse.
 * @throws ArgumentError unless shapes and dtypes are these; reading rejects where a row is not in 0..T-1
 */
export const joinRows = (xs: readonly Tensor[], rows: readonly Tensor[]): Tensor => joinOp({ xs, rows }, {})
