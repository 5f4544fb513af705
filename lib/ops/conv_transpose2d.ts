import { checkArguments } from '../arguments.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import {
  ArgumentError,
  checkDType,
  checkFloat,
  checkInteger,
  checkRank,
  checkShape,
} from '../tensor/check.js'
import { empty, emptyLike, type Tensor } from '../tensor/tensor.js'

type Inputs = { x: Tensor; weight: Tensor }

function checkInputs({ x, weight }: Inputs, stride: number): void {
  checkFloat('x', x)
  checkRank('x', x, 4)
  if (x.shape.slice(1).includes(0)) throw new ArgumentError('x', 'have rows, columns and channels', x)
  checkShape('weight', weight, [x.size(3), -1, -1, -1])
  checkDType('weight', weight, x.dtype)
  if (weight.elements === 0) throw new ArgumentError('weight', 'have rows, columns and outputs', weight)
  checkInteger('stride', stride, 1, 4096)
}

const op = defineOp({
  name: 'conv_transpose2d',
  forward(inputs: Inputs, { stride }: { stride: number }) {
    checkInputs(inputs, stride)
    const { x, weight } = inputs
    const [N, H, W] = x.shape as [number, number, number]
    const [, kernelHeight, kernelWidth, O] = weight.shape as [number, number, number, number]
    const y = empty([N, (H - 1) * stride + kernelHeight, (W - 1) * stride + kernelWidth, O], x.dtype)
    native.conv2d_backward_input(y.handle, x.handle, weight.handle, stride, 0, 1)
    return { output: y, saved: { x, weight, stride } }
  },
  backward(dy, { x, weight, stride }, request) {
    const dweight = request.accumulator('weight')
    if (dweight) native.conv2d_backward_weight(dweight.handle, x.handle, dy.handle, stride, 0, 1)
    if (!request.wants('x')) return {}
    const dx = emptyLike(x)
    native.conv2d(dx.handle, dy.handle, weight.handle, undefined, undefined, stride, 0, 1)
    return { x: dx }
  },
})

/**
 * Transposed convolution, which enlarges images: every pixel is spread over a window of the result, and windows lie
 * `stride` apart. It is the derivative of `conv2d` with the same weight.
 *
 * x [N, H, W, C], weight [C, Kh, Kw, O], both f32 or both bf16 -> y [N, (H - 1) stride + Kh, (W - 1) stride + Kw, O] of
 * their dtype; sums as in `conv2d`.
 * @throws ArgumentError unless shapes and dtypes fit
 */
export const convTranspose2d = (x: Tensor, weight: Tensor, options: { stride?: number } = {}): Tensor => {
  checkArguments('conv_transpose2d', { options: [options, 'options'] })
  const { stride = 1 } = options
  return op({ x, weight }, { stride })
}
