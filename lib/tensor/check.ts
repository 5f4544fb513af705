import { ArgumentError } from './argument_error.js'
import type { DType } from './dtype.js'
import { broadcastShapes, formatShape, type Shape } from './shape.js'
import type { Tensor } from './tensor.js'

export { ArgumentError }

/** Throws unless the tensor has this shape; -1 stands for any size. */
export function checkShape(argument: string, tensor: Tensor, shape: Shape): void {
  const fits =
    tensor.rank === shape.length && shape.every((size, axis) => size === -1 || size === tensor.shape[axis])
  if (!fits) {
    const expected = formatShape(shape).replaceAll('-1', '*')
    throw new ArgumentError(argument, `have shape ${expected}`, tensor)
  }
}

/** Throws unless the tensor has one of these dtypes. */
export function checkDType(argument: string, tensor: Tensor, ...dtypes: DType[]): void {
  if (!dtypes.includes(tensor.dtype)) throw new ArgumentError(argument, `be ${dtypes.join(' or ')}`, tensor)
}

/** Throws unless the tensor is of floating point: f32 or bf16. */
export const checkFloat = (argument: string, tensor: Tensor): void =>
  checkDType(argument, tensor, 'f32', 'bf16')

/** Throws unless the tensor's rank lies in the range. */
export function checkRank(argument: string, tensor: Tensor, least: number, most: number = least): void {
  if (tensor.rank < least || tensor.rank > most) {
    const axes = least === most ? `${least}` : `${least} to ${most}`
    throw new ArgumentError(argument, `have ${axes} axes`, tensor)
  }
}

/** The shape that two tensors broadcast to, as in NumPy; throws when there is none. */
export function checkBroadcast(
  argument: string,
  tensor: Tensor,
  other: string,
  otherTensor: Tensor,
): number[] {
  const shape = broadcastShapes(tensor.shape, otherTensor.shape)
  if (shape) return shape
  throw new ArgumentError(argument, `broadcast with ${other} ${formatShape(otherTensor.shape)}`, tensor)
}

/** An axis of a tensor of this rank, counted from the first; a negative one counts from the last. */
export function checkAxis(argument: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw new ArgumentError(argument, `be an axis of ${rank}`, axis)
  return axis < 0 ? axis + rank : axis
}

/** Throws unless the number is an integer in the range. */
export function checkInteger(
  argument: string,
  value: number,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `in ${least}..${most}`
    throw new ArgumentError(argument, `be an integer ${range}`, value)
  }
}

/** Throws unless the value is an array of integers of at least `least`. */
export function checkIntegers(argument: string, values: readonly number[], least: number): void {
  if (!Array.isArray(values)) throw new ArgumentError(argument, 'be an array of integers', values)
  values.forEach((value, i) => checkInteger(`${argument}[${i}]`, value, least))
}

/** Throws unless the value names a dtype of floating point. */
export function checkFloatName(argument: string, dtype: DType): void {
  if (dtype !== 'f32' && dtype !== 'bf16') throw new ArgumentError(argument, 'be f32 or bf16', dtype)
}

/** Throws unless the number is finite. */
export function checkFinite(argument: string, value: number): void {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new ArgumentError(argument, 'be a finite number', value)
}
