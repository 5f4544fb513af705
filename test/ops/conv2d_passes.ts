import { native } from '../../lib/native.js'
import { type Conv2dWindow, conv2d } from '../../lib/ops/conv2d.js'
import { empty, type Tensor, zeros } from '../../lib/tensor/tensor.js'

/** A window as kernels take it. */
export const nativeWindow = ({ stride = 1, padding = 0, groups = 1 }: Conv2dWindow) => ({
  stride,
  before: typeof padding === 'number' ? padding : padding[0],
  groups,
})

/** Forward and both gradients with one dtype. */
export function passes(x: Tensor, weight: Tensor, dy: Tensor, options: Conv2dWindow): Tensor[] {
  const { stride, before, groups } = nativeWindow(options)
  const dx = empty(x.shape, x.dtype)
  native.conv2d_backward_input(dx.handle, dy.handle, weight.handle, stride, before, groups)
  const dweight = zeros(weight.shape)
  native.conv2d_backward_weight(dweight.handle, dy.handle, x.handle, stride, before, groups)
  return [conv2d(x, weight, undefined, options), dx, dweight]
}
