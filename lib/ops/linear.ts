import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { elementsOf } from '../tensor/shape.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

/** x [..., C] as [T, C]: x itself where it is. */
const rowsOf = (x: Tensor): Tensor =>
  x.rank === 2 ? x : x.view([elementsOf(x.shape.slice(0, -1)), x.size(-1)])

const op = defineOp({
  name: 'linear',
  optional: ['bias'],
  forward({ x, weight, bias }: { x: Tensor; weight: Tensor; bias: Tensor | undefined }) {
    checkFloat('x', x)
    checkRank('x', x, 1, 6)
    checkShape('weight', weight, [-1, x.size(-1)])
    checkDType('weight', weight, x.dtype)
    const O = weight.size(0)
    if (bias) {
      checkShape('bias', bias, [O])
      checkDType('bias', bias, x.dtype)
    }
    const y = empty([...x.shape.slice(0, -1), O], x.dtype)
    const rows = rowsOf(x)
    const yRows = rowsOf(y)
    native.matmul(yRows.handle, rows.handle, weight.handle, bias?.handle, false, true)
    if (rows !== x) rows.free()
    if (yRows !== y) yRows.free()
    return { output: y, saved: { x, weight } }
  },
  backward(dy, { x, weight }, request) {
    const dyRows = rowsOf(dy)
    const dweight = request.accumulator('weight')
    if (dweight) native.matmul_accumulate(dweight.handle, dyRows.handle, rowsOf(x).handle, true, false)
    const dbias = request.accumulator('bias')
    if (dbias) native.sum_rows(dbias.handle, dyRows.handle)
    if (!request.wants('x')) return {}
    const dx = emptyLike(x)
    native.matmul(rowsOf(dx).handle, dyRows.handle, weight.handle, undefined, false, false)
    return { x: dx }
  },
})

/**
 * y = x W^T + b. x [..., I], weight [O, I], bias [O], all of one dtype -> [..., O]. bf16 is summed in f32; the
 * gradients of weight and bias are added up in f32.
 */
export const linear = (x: Tensor, weight: Tensor, bias?: Tensor): Tensor => op({ x, weight, bias }, {})
