import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkFloatName } from '../tensor/check.js'
import type { DType } from '../tensor/dtype.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'cast',
  forward({ x }: { x: Tensor }, { dtype }: { dtype: DType }) {
    checkFloatName('dtype', dtype)
    if (x.dtype === dtype) return { output: x.view(x.shape), saved: {} }
    const y = empty(x.shape, dtype)
    native.cast(y.handle, x.handle)
    return { output: y, saved: {} }
  },
  // The tape casts a gradient to its input's dtype.
  backward: (dy) => ({ x: dy }),
})

/**
 * Converts x to another dtype, rounding to nearest even. Where x has that dtype already, y shares its memory.
 *
 * x [...] of any dtype -> y [...] f32 or bf16.
 * @throws ArgumentError where `dtype` is neither f32 nor bf16
 */
export const cast = (x: Tensor, dtype: 'f32' | 'bf16'): Tensor => op({ x }, { dtype })
