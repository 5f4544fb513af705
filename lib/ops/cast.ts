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
  // The tape brings a gradient to the dtype of its input.
  backward: (dy) => ({ x: dy }),
})

/**
 * x in another dtype, rounded to nearest even: any dtype to f32 or bf16. Shares x's memory when it has that dtype
 * already.
 */
export const cast = (x: Tensor, dtype: 'f32' | 'bf16'): Tensor => op({ x }, { dtype })
