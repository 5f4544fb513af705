import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFloat, checkRank } from '../tensor/check.js'
import { emptyLike, empty, type Tensor } from '../tensor/tensor.js'

/** Which matrices are given transposed; none by default. */
export interface MatmulOptions {
  /** a is given as [..., K, M]. */
  transposeA?: boolean
  /** b is given as [..., N, K]. */
  transposeB?: boolean
}

const op = defineOp({
  name: 'matmul',
  forward({ a, b }: { a: Tensor; b: Tensor }, { transposeA = false, transposeB = false }: MatmulOptions) {
    checkFloat('a', a)
    checkRank('a', a, 2, 3)
    checkDType('b', b, a.dtype)
    checkRank('b', b, a.rank)
    const M = a.size(transposeA ? -1 : -2)
    const K = a.size(transposeA ? -2 : -1)
    const N = b.size(transposeB ? -2 : -1)
    if (a.rank === 3 && a.size(0) !== b.size(0))
      throw new ArgumentError('b', `hold as many matrices as a, ${a.size(0)}`, b)
    if (b.size(transposeB ? -1 : -2) !== K)
      throw new ArgumentError(
        'b',
        `have ${K} ${transposeB ? 'columns' : 'rows'}, to be multiplied by ${a}`,
        b,
      )
    const y = empty([...a.shape.slice(0, -2), M, N], a.dtype)
    native.matmul(y.handle, a.handle, b.handle, undefined, transposeA, transposeB)
    return { output: y, saved: { a, b, transposeA, transposeB } }
  },
  backward(dy, { a, b, transposeA, transposeB }, request) {
    const product = (
      target: Tensor,
      left: Tensor,
      right: Tensor,
      transposeL: boolean,
      transposeR: boolean,
    ) => {
      const gradient = emptyLike(target)
      native.matmul(gradient.handle, left.handle, right.handle, undefined, transposeL, transposeR)
      return gradient
    }
    // With A, B as they are multiplied: dA = dy B', dB = A' dy; of a transposed argument the transpose.
    const da = () =>
      transposeA ? product(a, b, dy, transposeB, true) : product(a, dy, b, false, !transposeB)
    const db = () =>
      transposeB ? product(b, dy, a, true, transposeA) : product(b, a, dy, !transposeA, false)
    return { a: request.wants('a') ? da() : undefined, b: request.wants('b') ? db() : undefined }
  },
})

/**
 * The matrix product y = a b, or that of each pair of B matrices.
 *
 * a [M, K], b [K, N] -> y [M, N]; or a [B, M, K], b [B, K, N] -> y [B, M, N]. `transposeA` and `transposeB` say that the
 * last two axes of an argument are given the other way round. Both f32, or both bf16 with sums in f32; y has their
 * dtype.
 * @throws ArgumentError unless ranks, dtypes, B and K are the same
 */
export const matmul = (a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor => op({ a, b }, options)
