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

/** How the window moves over the image; defaults come last. */
export interface Conv2dOptions {
  /** How far the window moves from one output to the next, down and to the right; 1. */
  stride?: number
  /** Rows and columns of zeros around each image, fewer than the window has; 0. */
  padding?: number
  /** Channels are divided into so many groups, each convolved by itself; 1. */
  groups?: number
}

type Inputs = { x: Tensor; weight: Tensor; bias: Tensor | undefined }

function checkInputs({ x, weight, bias }: Inputs, { stride, padding, groups }: Required<Conv2dOptions>) {
  checkFloat('x', x)
  checkRank('x', x, 4)
  if (x.shape.slice(1).includes(0)) throw new ArgumentError('x', 'have rows, columns and channels', x)
  checkInteger('groups', groups, 1)
  const channels = x.size(3)
  if (channels % groups !== 0)
    throw new ArgumentError('groups', `divide the ${channels} channels of x`, groups)
  checkShape('weight', weight, [-1, -1, -1, channels / groups])
  checkDType('weight', weight, x.dtype)
  const [outputs, kernelHeight, kernelWidth] = weight.shape as [number, number, number]
  if (weight.elements === 0) throw new ArgumentError('weight', 'have outputs, rows and columns', weight)
  if (outputs % groups !== 0)
    throw new ArgumentError('groups', `divide the ${outputs} outputs of weight`, groups)
  if (bias) {
    checkShape('bias', bias, [outputs])
    checkDType('bias', bias, x.dtype)
  }
  checkInteger('stride', stride, 1, 4096)
  checkInteger('padding', padding, 0, Math.min(kernelHeight, kernelWidth) - 1)
  if (kernelHeight > x.size(1) + 2 * padding || kernelWidth > x.size(2) + 2 * padding)
    throw new ArgumentError('weight', `be no larger than the images of ${x} with padding ${padding}`, weight)
}

const op = defineOp({
  name: 'conv2d',
  optional: ['bias'],
  forward(inputs: Inputs, { stride = 1, padding = 0, groups = 1 }: Conv2dOptions) {
    checkInputs(inputs, { stride, padding, groups })
    const { x, weight, bias } = inputs
    const [N, H, W] = x.shape as [number, number, number]
    const [O, kernelHeight, kernelWidth] = weight.shape as [number, number, number]
    const places = (size: number, window: number) => Math.floor((size + 2 * padding - window) / stride) + 1
    const y = empty([N, places(H, kernelHeight), places(W, kernelWidth), O], x.dtype)
    native.conv2d(y.handle, x.handle, weight.handle, bias?.handle, stride, padding, groups)
    return { output: y, saved: { x, weight, stride, padding, groups } }
  },
  backward(dy, { x, weight, stride, padding, groups }, request) {
    const dweight = request.accumulator('weight')
    if (dweight) native.conv2d_backward_weight(dweight.handle, dy.handle, x.handle, stride, padding, groups)
    const dbias = request.accumulator('bias')
    if (dbias) native.sum_rows(dbias.handle, dy.handle)
    if (!request.wants('x')) return {}
    const dx = emptyLike(x)
    native.conv2d_backward_input(dx.handle, dy.handle, weight.handle, stride, padding, groups)
    return { x: dx }
  },
})

/**
 * Convolution (cross-correlation) of images, channels last: x [N, H, W, C], weight [O, Kh, Kw, C / groups], bias [O],
 * all of one dtype -> [N, Ho, Wo, O], Ho = floor((H + 2 padding - Kh) / stride) + 1 and Wo alike. bf16 is summed in
 * f32; the gradients of weight and bias are added up in f32. An image's result does not depend on the other images.
 */
export const conv2d = (x: Tensor, weight: Tensor, bias?: Tensor, options: Conv2dOptions = {}): Tensor =>
  op({ x, weight, bias }, options)
