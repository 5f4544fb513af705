import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFloat, checkRank } from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'embedding',
  forward({ weight, ids }: { weight: Tensor; ids: Tensor }) {
    checkFloat('weight', weight)
    checkRank('weight', weight, 2)
    checkRank('ids', ids, 1)
    checkDType('ids', ids, 'i32')
    const y = empty([ids.size(0), weight.size(1)], weight.dtype)
    native.embedding(y.handle, weight.handle, ids.handle)
    return { output: y, saved: { ids } }
  },
  backward(dy, { ids }, request) {
    native.embedding_backward(request.accumulator('weight')?.handle, dy.handle, ids.handle)
    return {}
  },
})

/**
 * Looks up one row of the weight for each id: y[t] = weight[ids[t]], zeros where ids[t] is -1.
 *
 * weight [V, C] f32 or bf16, ids [T] i32 -> y [T, C] of the weight's dtype.
 * @throws ArgumentError unless shapes and dtypes are these; reading y rejects when an id is not in -1..V-1
 */
export const embedding = (weight: Tensor, ids: Tensor): Tensor => op({ weight, ids }, {})
