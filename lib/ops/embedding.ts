import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFloat, checkFloatName, checkRank } from '../tensor/check.js'
import { type DType, isBlockDType } from '../tensor/dtype.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'embedding',
  forward({ weight, ids }: { weight: Tensor; ids: Tensor }, { dtype }: EmbeddingOptions) {
    const isQuantised = isBlockDType(weight.dtype)
    if (!isQuantised) checkFloat('weight', weight)
    checkRank('weight', weight, 2)
    checkRank('ids', ids, 1)
    checkDType('ids', ids, 'i32')
    const of: DType = dtype ?? (isQuantised ? 'f32' : weight.dtype)
    checkFloatName('dtype', of)
    if (!isQuantised && of !== weight.dtype)
      throw new ArgumentError('dtype', `be left out or the weight's, ${weight.dtype}`, of)
    const y = empty([ids.size(0), weight.size(1)], of)
    native.embedding(y.handle, weight.handle, ids.handle)
    return { output: y, saved: { ids } }
  },
  backward(dy, { ids }, request) {
    native.embedding_backward(request.accumulator('weight')?.handle, dy.handle, ids.handle)
    return {}
  },
})

/** Options of `embedding`. */
export interface EmbeddingOptions {
  /** The result's dtype where the weight is quantised; f32 by default. */
  dtype?: 'f32' | 'bf16' | undefined
}

/**
 * Looks up one row of the weight for each id: y[t] = weight[ids[t]], zeros where ids[t] is -1.
 *
 * weight [V, C] f32 or bf16, ids [T] i32 -> y [T, C] of the weight's dtype. Rows of a weight of a block dtype are widened to
 * `options.dtype`.
 * @throws ArgumentError unless shapes and dtypes are these; reading y rejects when an id is not in -1..V-1
 */
export const embedding = (weight: Tensor, ids: Tensor, options: EmbeddingOptions = {}): Tensor =>
  op({ weight, ids }, options)
