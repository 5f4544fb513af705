import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkFinite, checkFloat } from '../tensor/check.js'
import { emptyLike, type Tensor } from '../tensor/tensor.js'

const scaled = (x: Tensor, factor: number): Tensor => {
  const y = emptyLike(x)
  native.scale(y.handle, x.handle, factor)
  return y
}

const op = defineOp({
  name: 'scale',
  forward({ x }: { x: Tensor }, { factor }: { factor: number }) {
    checkFloat('x', x)
    checkFinite('factor', factor)
    return { output: scaled(x, factor), saved: { factor } }
  },
  backward: (dy, { factor }) => ({ x: scaled(dy, factor) }),
})

/**
 * Multiplies all elements by one number: y = factor x.
 *
 * x [...] f32 or bf16 -> y like x.
 * @throws ArgumentError unless the factor is finite
 */
export const scale = (x: Tensor, factor: number): Tensor => op({ x }, { factor })
