import type { Handle } from '../kernels.generated.js'
import { native } from '../native.js'
import { ArgumentError, shown } from './argument_error.js'
import { currentDevice, type Device, deviceNumber, parseDevice } from './device.js'
import { type DType, dtypeBytes, dtypeCodes, isBlockDType, rowBytes } from './dtype.js'
import { currentOp } from './op_name.js'
import { Scoped } from './scope.js'
import { completeShape, elementsOf, formatShape, type Shape } from './shape.js'

// A safety net: what no scope and no owner freed goes with its JavaScript object. What a scope will free is not in
// it: thousands of entries a step would cost the collector more than the step's own JavaScript.
const registry = new FinalizationRegistry<Handle>((handle) => native.release(handle))

/** Where the gradient of a parameter is summed up. */
export interface GradientTarget {
  /** The sum so far: f32, the parameter's shape. */
  readonly gradient: Tensor
  /**
   * Calls `kernel`, which is to add to the gradient, or, where it is the `first`, to write it, whatever the tensor holds: as a
   * `Part` of kernels.h, for the other gradients of an arena may have failed.
   */
  accumulate(kernel: (gradient: Tensor, first: boolean) => void): void
  /** Changes when the parameter's values do; a backward pass over older values throws. */
  readonly version: number
}

/** What made a tensor, if it is to be differentiated through (see autograd/tape.ts). */
export interface TapeEntry {
  readonly node: { drop(): void }
  readonly output: number
}

/**
 * A dense, row-major array on a device: f32, bf16, i32, or quantised weights (see `BlockDType`), up to 6 axes. It is a handle on native memory: freed by
 * the scope it was made in, by `free()` or `using`, and as a last resort by the garbage collector. Ops return at
 * once and run in order on the device's stream; only reading waits.
 */
export class Tensor extends Scoped {
  /** Sizes of the axes. */
  readonly shape: Shape
  /** Type of the elements. */
  readonly dtype: DType
  /** Where it lies. */
  readonly device: Device
  /** Set on what is differentiated through. @internal */
  tapeEntry: TapeEntry | undefined
  /** Set on parameters. @internal */
  gradientTarget: GradientTarget | undefined
  /** The memory's identity: views share it. */
  readonly storage: object
  #handle: Handle

  /** Wraps a handle that it then owns; use the functions below. @internal */
  constructor(handle: Handle, shape: Shape, dtype: DType, device: Device, storage: object = {}) {
    super()
    if (!Array.isArray(shape)) throw new ArgumentError('shape', 'be an array of integers', shape)
    this.#handle = handle
    this.storage = storage
    // A copy: what checks rely on is not the caller's to change.
    this.shape = Object.freeze([...shape])
    this.dtype = dtype
    this.device = device
    if (!this.enterScope()) this.guard()
  }

  /** For native calls. Throws when the tensor was freed. */
  get handle(): Handle {
    if (this.#handle === 0) throw new Error(`${prefix()}${this} was used after it was freed`)
    return this.#handle
  }

  /** Whether its memory was given back. */
  override get freed(): boolean {
    return this.#handle === 0
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length
  }

  /** Product of the shape. */
  get elements(): number {
    return elementsOf(this.shape)
  }

  /** Of native memory. */
  get bytes(): number {
    if (!isBlockDType(this.dtype)) return this.elements * dtypeBytes[this.dtype]
    return elementsOf(this.shape.slice(0, -1)) * rowBytes(this.dtype, this.size(-1))
  }

  /** The size of an axis; negative axes count from the last. Throws a RangeError when there is no such axis. */
  size(axis: number): number {
    const size = this.shape[axis < 0 ? this.rank + axis : axis]
    if (size === undefined) throw new RangeError(`${prefix()}${this} has no axis ${axis}`)
    return size
  }

  /** Gives the memory back; a second call does nothing. Queued ops that use it still run. */
  override free(): void {
    if (this.#handle === 0) return
    native.release(this.#handle)
    this.#handle = 0
    this.#leaveTape()
  }

  override guard(): void {
    registry.register(this, this.#handle)
  }

  override orphan(): void {
    super.orphan()
    this.#leaveTape()
  }

  #leaveTape(): void {
    const entry = this.tapeEntry
    this.tapeEntry = undefined
    entry?.node.drop()
  }

  /** `free`, for `using`. */
  [Symbol.dispose](): void {
    this.free()
  }

  /**
   * `elements(shape)` elements from `offset` on, sharing the memory. Not differentiable: lib/ops/reshape.ts is.
   * Throws a RangeError when the view leaves the tensor, or where quantised weights are not viewed by whole rows.
   */
  view(shape: Shape, offset = 0): Tensor {
    const complete = completeShape(shape, this.elements - offset)
    const count = elementsOf(complete)
    const inside = Number.isInteger(offset) && offset >= 0 && offset + count <= this.elements
    if (!complete.every((size) => Number.isInteger(size) && size >= 0) || !inside)
      throw new RangeError(`${prefix()}a view of shape ${formatShape(shape)} at ${offset} leaves ${this}`)
    if (
      isBlockDType(this.dtype) &&
      (complete.at(-1) !== this.size(-1) || offset % (this.size(-1) || 1) !== 0)
    )
      throw new RangeError(
        `${prefix()}a view of shape ${formatShape(shape)} at ${offset} is not of whole rows of ${this}`,
      )
    return new Tensor(
      native.view(this.handle, offset, dtypeCodes[this.dtype], complete),
      complete,
      this.dtype,
      this.device,
      this.storage,
    )
  }

  /**
   * The values, once the ops before have run: Float32Array for f32, bf16 and quantised weights, Int32Array for i32. Rejects
   * when a kernel that it depends on failed, with that op, the argument and the value received.
   */
  async read(): Promise<Float32Array | Int32Array> {
    if (this.dtype === 'i32') return new Int32Array(await native.read(this.handle))
    if (this.dtype === 'f32') return new Float32Array(await native.read(this.handle))
    const widened = empty(this.shape, 'f32', this.device)
    native.cast(widened.handle, this.handle)
    const values = native.read(widened.handle)
    widened.free()
    return new Float32Array(await values)
  }

  /** The values of a tensor that is not i32; see `read`. */
  async readFloats(): Promise<Float32Array> {
    if (this.dtype === 'i32') throw new TypeError(`readFloats: ${this} holds integers`)
    return (await this.read()) as Float32Array
  }

  /** The values of an i32 tensor; see `read`. */
  async readInts(): Promise<Int32Array> {
    if (this.dtype !== 'i32') throw new TypeError(`readInts: ${this} holds no integers`)
    return (await this.read()) as Int32Array
  }

  /** The stored bits of a bf16 tensor; see `read`. */
  async readBits(): Promise<Uint16Array> {
    if (this.dtype !== 'bf16') throw new TypeError(`readBits: ${this} is not bf16`)
    return new Uint16Array(await native.read(this.handle))
  }

  /** The stored bytes of quantised weights, row after row; see `read`. */
  async readBytes(): Promise<Uint8Array> {
    if (!isBlockDType(this.dtype)) throw new TypeError(`readBytes: ${this} is not of a block dtype`)
    return new Uint8Array(await native.read(this.handle))
  }

  /**
   * Overwrites the values once the ops before have run. The array is copied before this returns. Float32Array for
   * f32 and bf16 (rounded on the device), Uint16Array for the bits of bf16, Int32Array for i32, Uint8Array for the stored
   * bytes of quantised weights. Throws a TypeError for an array of another type or length.
   */
  write(data: TensorData): void {
    checkValues('write', data)
    const isOfBlocks = isBlockDType(this.dtype)
    const matches =
      (data instanceof Float32Array && this.dtype !== 'i32' && !isOfBlocks) ||
      (data instanceof Int32Array && this.dtype === 'i32') ||
      (data instanceof Uint16Array && this.dtype === 'bf16') ||
      (data instanceof Uint8Array && isOfBlocks)
    if (!matches || data.length !== (isOfBlocks ? this.bytes : this.elements))
      throw new TypeError(
        `${prefix()}a ${data.constructor.name} of ${data.length} cannot be written to ${this}`,
      )
    if (this.dtype === 'bf16' && data instanceof Float32Array) {
      const wide = fromArray(data, this.shape, 'f32', this.device)
      native.cast(this.handle, wide.handle)
      wide.free()
    } else native.upload(this.handle, data.buffer instanceof SharedArrayBuffer ? data.slice() : data)
  }

  override toString(): string {
    const place = this.device === 'cpu' ? '' : ` on ${this.device}`
    return `a tensor of ${this.dtype} ${formatShape(this.shape)}${place}`
  }
}

/** Values of a tensor: of f32 or bf16, of i32, the bits of bf16, or the bytes of quantised weights. */
export type TensorData = Float32Array | Int32Array | Uint16Array | Uint8Array

function checkValues(callee: string, data: unknown): void {
  const kinds = [Float32Array, Int32Array, Uint16Array, Uint8Array]
  if (!kinds.some((kind) => data instanceof kind))
    throw new ArgumentError(
      'data',
      'be a Float32Array, an Int32Array, a Uint16Array or a Uint8Array',
      data,
      callee,
    )
}

const dtypeList = Object.keys(dtypeCodes)
  .join(', ')
  .replace(/, (\w+)$/, ' or $1')

const prefix = () => (currentOp() ? `${currentOp()}: ` : '')

const shownShape = (shape: Shape): string =>
  Array.isArray(shape) ? `[${Array.from(shape, shown).join(', ')}]` : shown(shape)

/**
 * A tensor of undefined values on a device: see `withDevice` for the default. Throws a RangeError when memory is out, and
 * where the last axis is not of whole blocks of the dtype.
 */
export function empty(shape: Shape, dtype: DType = 'f32', device: Device = currentDevice()): Tensor {
  const place = device === currentDevice() ? device : parseDevice(device, currentOp() || 'empty')
  if (dtypeCodes[dtype] === undefined) throw new ArgumentError('dtype', `be ${dtypeList}`, dtype, 'empty')
  try {
    return new Tensor(native.create(dtypeCodes[dtype], shape, deviceNumber(place)), shape, dtype, place)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    // As ops name what they received, where it is why; an allocation names its bytes itself.
    const isOfShape = !/^(out of memory|cuda:\d+ has failed)/.test(error.message)
    const received = isOfShape ? `, received ${shownShape(shape)}` : ''
    error.message = `${prefix()}${error.message}${received}`
    throw error
  }
}

/** A tensor of undefined values of another's shape, dtype and device. */
export const emptyLike = (tensor: Tensor): Tensor => empty(tensor.shape, tensor.dtype, tensor.device)

/**
 * A tensor of this shape whose elements are all `value`, f32 or bf16; see `withDevice` for the default of the device.
 * Throws a RangeError when memory is out.
 */
export function full(shape: Shape, value: number, dtype: 'f32' | 'bf16' = 'f32', device?: Device): Tensor {
  const tensor = empty(shape, dtype, device)
  native.fill(tensor.handle, value)
  return tensor
}

/** A tensor of this shape whose elements are all 0; see `full`. */
export const zeros = (shape: Shape, dtype: 'f32' | 'bf16' = 'f32', device?: Device): Tensor =>
  full(shape, 0, dtype, device)

/**
 * A tensor of the array's values: f32 or bf16 from a Float32Array, bf16 from the bits of a Uint16Array, i32 from
 * an Int32Array, a block dtype, which is to be named with the shape, from a Uint8Array of its bytes. One size of the shape may be -1; by default it is [data.length]. The array is copied before this
 * returns; see `withDevice` for the default of the device. Throws a TypeError for an array that does not fill the shape or
 * is of another type, a RangeError when memory is out.
 */
export function fromArray(
  data: TensorData,
  shape: Shape = [data?.length],
  dtype: DType = data instanceof Int32Array ? 'i32' : data instanceof Uint16Array ? 'bf16' : 'f32',
  device?: Device,
): Tensor {
  checkValues('fromArray', data)
  if (!Array.isArray(shape)) throw new ArgumentError('shape', 'be an array of integers', shape, 'fromArray')
  const tensor = empty(isBlockDType(dtype) ? shape : completeShape(shape, data.length), dtype, device)
  tensor.write(data)
  return tensor
}
