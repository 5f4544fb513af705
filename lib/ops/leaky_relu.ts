import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkFinite, checkFloat } from '../tensor/check.js'
import { emptyLike, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'leaky_relu',
  forward({ x }: { x: Tensor }, { slope }: { slope: number }) {
    checkFloat('x', x)
    checkFinite('slope', slope)
    if (slope < 0) throw new ArgumentError('slope', 'be 0 or more', slope)
    const y = emptyLike(x)
    native.leaky_relu(y.handle, x.handle, slope)
    return { output: y, saved: { y, slope } }
  },
  backward(dy, { y, slope }) {
    const dx = emptyLike(y)
    native.leaky_relu_backward(dx.handle, dy.handle, y.handle, slope)
    return { x: dx }
  },
})

/**
 * The leaky ReLU activation, element by element: y = x, or slope x where x is negative; with a slope of 0 it is ReLU. The
 * derivative at 0 is the slope, as PyTorch has it.
 *
 * x [...] f32 or bf16 -> y like x; `slope` is 0 or more. Source: Maas et al. 2013.
 * @throws ArgumentError unless x is f32 or bf16, and the slope finite and not negative
 */
export const leakyRelu = (x: Tensor, slope = 0.01): Tensor => op({ x }, { slope })
