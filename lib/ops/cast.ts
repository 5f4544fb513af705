import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkFloat, checkFloatName } from '../tensor/check.js'
import { blockValues, type DType } from '../tensor/dtype.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'cast',
  forward({ x }: { x: Tensor }, { dtype }: { dtype: DType }) {
    checkTarget(x, dtype)
    if (x.dtype === dtype) return { output: x.view(x.shape), saved: {} }
    const y = empty(x.shape, dtype)
    native.cast(y.handle, x.handle)
    return { output: y, saved: {} }
  },
  // The tape casts a gradient to its input's dtype.
  backward: (dy) => ({ x: dy }),
})

/** The dtypes that `cast` converts to. */
export type CastDType = 'f32' | 'bf16' | 'int8' | 'q8_0' | 'q4_0' | 'q4_1'

const quantised: readonly DType[] = ['int8', 'q8_0', 'q4_0', 'q4_1']

function checkTarget(x: Tensor, dtype: DType): void {
  if (!quantised.includes(dtype)) return checkFloatName('dtype', dtype)
  if (x.dtype === dtype) return
  checkFloat('x', x)
  const values = blockValues(dtype)
  if (x.rank === 0 || x.size(-1) % values !== 0)
    throw new ArgumentError('x', `have a last axis of whole blocks of ${values}, to be ${dtype}`, x)
}

/**
 * Converts x to another dtype, rounding to nearest even. Where x has that dtype already, y shares its memory.
 *
 * x [...] of any dtype -> y [...] f32 or bf16. x [..., K] f32 or bf16 -> y [..., K] quantised: q8_0, q4_0 and q4_1 by ggml's
 * reference rounding, K a multiple of 32; int8 as `BlockDType` says. A block, or row of int8, with a value that is not finite
 * is NaN. Quantised weights are widened exactly in f32.
 * @throws ArgumentError where `dtype` is none of these, and where x does not fit it
 */
export const cast = (x: Tensor, dtype: CastDType): Tensor => op({ x }, { dtype })
