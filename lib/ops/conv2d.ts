import type { GradientRequest } from '../autograd/definition.js'
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
import { withOpName } from '../tensor/op_name.js'
import type { Shape } from '../tensor/shape.js'
import { empty, emptyLike, type Tensor, zeros } from '../tensor/tensor.js'

/** How the window of a convolution moves over the image. */
export interface Conv2dWindow {
  /** How far the window moves from one output to the next, down and to the right; 1 by default. */
  stride?: number
  /**
   * Rows and columns of zeros around each image, fewer than the window has; two numbers are those above and to the left, and
   * those below and to the right. 0 by default.
   */
  padding?: number | readonly [before: number, after: number]
  /** The number of groups that channels are divided into, each convolved by itself; 1 by default. */
  groups?: number
}

/** Options of `conv2d`. */
export interface Conv2dOptions extends Conv2dWindow {
  /** [N, Ho, Wo, O], added to the result by the same kernel; none by default. */
  residual?: Tensor
}

interface Inputs {
  [name: string]: Tensor | undefined
  x: Tensor
  weight: Tensor
  bias: Tensor | undefined
  residual: Tensor | undefined
}

function sidesOf(padding: Required<Conv2dWindow>['padding']): readonly [before: number, after: number] {
  if (typeof padding === 'number') return [padding, padding]
  if (!Array.isArray(padding) || padding.length !== 2)
    throw new ArgumentError('padding', 'be a number, or one before and one after', padding)
  return padding as [number, number]
}

/** The result's shape; throws an ArgumentError where arguments do not fit. */
function checkInputs(
  { x, weight, bias, residual }: Inputs,
  { stride, padding, groups }: Required<Conv2dWindow>,
): Shape {
  checkFloat('x', x)
  checkRank('x', x, 4)
  if (x.shape.slice(1).includes(0)) throw new ArgumentError('x', 'have rows, columns and channels', x)
  checkInteger('groups', groups, 1)
  const [N, H, W, channels] = x.shape as [number, number, number, number]
  if (channels % groups !== 0)
    throw new ArgumentError('groups', `divide the ${channels} channels of x`, groups)
  checkShape('weight', weight, [-1, -1, -1, channels / groups])
  checkDType('weight', weight, x.dtype)
  const [outputs, kernelHeight, kernelWidth] = weight.shape as [number, number, number]
  if (weight.elements === 0) throw new ArgumentError('weight', 'have outputs, rows and columns', weight)
  if (outputs % groups !== 0)
    throw new ArgumentError('groups', `divide the ${outputs} outputs of weight`, groups)
  checkInteger('stride', stride, 1, 4096)
  const sides = sidesOf(padding)
  for (const side of sides) checkInteger('padding', side, 0, Math.min(kernelHeight, kernelWidth) - 1)
  const padded = (size: number) => size + sides[0] + sides[1]
  if (kernelHeight > padded(H) || kernelWidth > padded(W))
    throw new ArgumentError('weight', `be no larger than the images of ${x} with padding ${padding}`, weight)
  const places = (size: number, window: number) => Math.floor((padded(size) - window) / stride) + 1
  const shape = [N, places(H, kernelHeight), places(W, kernelWidth), outputs]
  if (bias) {
    checkShape('bias', bias, bias.rank === 2 ? [N, outputs] : [outputs])
    checkDType('bias', bias, x.dtype)
  }
  if (residual) {
    checkShape('residual', residual, shape)
    checkDType('residual', residual, x.dtype)
  }
  return shape
}

const op = defineOp({
  name: 'conv2d',
  optional: ['bias', 'residual'],
  forward(inputs: Inputs, { stride = 1, padding = 0, groups = 1 }: Conv2dWindow) {
    const y = empty(checkInputs(inputs, { stride, padding, groups }), inputs.x.dtype)
    const { x, weight, bias, residual } = inputs
    const [before] = sidesOf(padding)
    native.conv2d(y.handle, x.handle, weight.handle, bias?.handle, residual?.handle, stride, before, groups)
    return { output: y, saved: { x, weight, perImage: bias?.rank === 2, stride, before, groups } }
  },
  backward(dy, { x, weight, perImage, stride, before, groups }, request) {
    const dweight = request.accumulator('weight')
    if (dweight) native.conv2d_backward_weight(dweight.handle, dy.handle, x.handle, stride, before, groups)
    let dx: Tensor | undefined
    if (request.wants('x')) {
      dx = emptyLike(x)
      native.conv2d_backward_input(dx.handle, dy.handle, weight.handle, stride, before, groups)
    }
    return { x: dx, bias: biasGradient(dy, perImage, request), residual: dy }
  },
})

/** The gradient of a bias per image; that of one bias for all images is accumulated. */
function biasGradient(dy: Tensor, perImage: boolean, request: GradientRequest<Inputs>): Tensor | undefined {
  if (!perImage) {
    const dbias = request.accumulator('bias')
    if (dbias) native.sum_rows(dbias.handle, dy.handle)
    return undefined
  }
  if (!request.wants('bias')) return undefined
  const [N, , , O] = dy.shape as [number, number, number, number]
  const dbias = empty([N, O], dy.dtype)
  native.sum_to(dbias.view([N, 1, 1, O]).handle, dy.handle, 1)
  return dbias
}

/**
 * Convolves images, channels last, as PyTorch's conv2d does (cross-correlation).
 *
 * x [N, H, W, C], weight [O, Kh, Kw, C / groups], bias [O], or [N, O] for one vector per image, such as a timestep's;
 * all f32 or all bf16 -> y [N, Ho, Wo, O] of their dtype, with Ho = floor((H + padding on both sides - Kh) / stride) + 1
 * and Wo alike. bf16 is summed in f32; the gradients of weight and bias are added up in f32. An image's result does not depend
 * on the other images of the call.
 * @throws ArgumentError unless shapes and dtypes fit, the padding is smaller than the window, and the window no larger
 *   than the padded image
 */
export const conv2d = (
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  { residual, ...window }: Conv2dOptions = {},
): Tensor => op({ x, weight, bias, residual }, window)

/**
 * The gradient of a convolution's weight alone, from the gradient `dy` of its result: f32 [O, Kh, Kw, C / groups]. It is on no
 * tape.
 * @throws ArgumentError unless shapes and dtypes fit, as of {@link conv2d}
 */
export function conv2dWeightGradient(
  dy: Tensor,
  x: Tensor,
  weight: Tensor,
  window: Conv2dWindow = {},
): Tensor {
  return withOpName('conv2d (weight gradient)', () => {
    const { stride = 1, padding = 0, groups = 1 } = window
    const shape = checkInputs(
      { x, weight, bias: undefined, residual: undefined },
      { stride, padding, groups },
    )
    checkShape('dy', dy, shape)
    checkDType('dy', dy, x.dtype)
    const dweight = zeros(weight.shape, 'f32', x.device)
    native.conv2d_backward_weight(dweight.handle, dy.handle, x.handle, stride, sidesOf(padding)[0], groups)
    return dweight
  })
}
