import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFloat, checkRank } from '../tensor/check.js'
import { emptyLike, empty, type Tensor } from '../tensor/tensor.js'

/** Which of the matrices are given transposed. */
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
 * The product of two matrices, or of two equally long lists of matrices: a [M, K], b [K, N] -> [M, N], or all with
 * a leading axis. Both f32, or both bf16 with sums in f32.
 */
export const matmul = (a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor => op({ a, b }, options)
