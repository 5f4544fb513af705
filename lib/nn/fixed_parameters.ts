import { native } from '../native.js'
import { concat } from '../ops/concat.js'
import { cast } from '../ops/cast.js'
import { type Device, withDevice } from '../tensor/device.js'
import { blockValues, type DType, isBlockDType } from '../tensor/dtype.js'
import { keep, scope } from '../tensor/scope.js'
import { empty, fromArray, full, type Tensor } from '../tensor/tensor.js'
import type { Parameter } from './parameters.js'

/** The dtype that values of a parameter that is not trained are kept in; a block dtype is computed with as it lies. */
export type FixedDType = Exclude<DType, 'i32'>

/**
 * How a parameter that is not trained is kept: in one dtype, each of the matrices below each other that it is made of
 * (`matrixRows`) in its own, or as the values of another of the same shape, of that name, which are in memory once.
 */
export type KeptAs = FixedDType | readonly FixedDType[] | { readonly sharedWith: string }

/** Says of a parameter how its values are kept where it is not trained; undefined: it is trained. */
export type FixedStorage = (parameter: Parameter) => KeptAs | undefined

/** Values of parameters as they are written: floats, bits of bf16, or the bytes of whole rows of a block dtype. */
export type FixedValues = Float32Array | Uint16Array | Uint8Array

/**
 * The parameters of a model that are not trained: each is a tensor of its own, in the dtype that it is kept in, without
 * gradient, moments or average. Where the model computes in another float dtype each has a copy in that; products take
 * block dtypes as they are, whose values are undefined until they are written.
 */
export class FixedParameters {
  /** In the order that they were given in. */
  readonly parameters: readonly Parameter[]
  readonly #device: Device
  /** The tensors below each other that each is. */
  readonly #parts = new Map<Parameter, readonly Tensor[]>()
  /** Those whose values are another's. */
  readonly #shared = new Map<Parameter, Parameter>()
  /** What is computed with, where that is of another dtype. */
  readonly #copies = new Map<Parameter, Tensor>()
  /** Those whose copy is older than their values. */
  readonly #stale = new Set<Parameter>()

  /** Throws an Error where a row is not of whole blocks, or where shared values are none of these. */
  constructor(kept: ReadonlyMap<Parameter, KeptAs>, compute: 'f32' | 'bf16', device: Device) {
    this.parameters = [...kept.keys()]
    this.#device = device
    try {
      for (const [parameter, as] of kept) {
        if (typeof as === 'object' && 'sharedWith' in as) continue
        const parts = makeParts(parameter, typeof as === 'string' ? [as] : as, device)
        this.#parts.set(parameter, parts)
        const [values] = parts as [Tensor]
        if (parts.length > 1) parameter.parts = parts
        else if (values.dtype === compute || isBlockDType(values.dtype)) parameter.tensor = values
        else {
          const copy = keep(full(parameter.shape, 0, compute, device))
          this.#copies.set(parameter, copy)
          parameter.tensor = copy
        }
      }
      for (const [parameter, as] of kept)
        if (typeof as === 'object' && 'sharedWith' in as) this.#share(parameter, as)
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  #share(parameter: Parameter, { sharedWith }: { sharedWith: string }): void {
    const owner = this.parameters.find(({ name }) => name === sharedWith)
    const parts = owner && this.#parts.get(owner)
    if (parts?.length !== 1 || owner!.shape.join() !== parameter.shape.join())
      throw new Error(
        `parameter ${parameter.name}: there are no fixed values of its shape called ${sharedWith}`,
      )
    this.#shared.set(parameter, owner!)
    parameter.tensor = owner!.tensor
  }

  /** Whether a parameter is one of these. */
  has(parameter: Parameter): boolean {
    return this.#parts.has(parameter) || this.#shared.has(parameter)
  }

  /** The parameter whose values one of these has; undefined where it has values of its own. */
  sharedWith(parameter: Parameter): Parameter | undefined {
    return this.#shared.get(parameter)
  }

  /** The tensors below each other that one of these is, as they are kept. They stay these parameters'. */
  partsOf(parameter: Parameter): readonly Tensor[] {
    return this.#parts.get(this.#shared.get(parameter) ?? parameter)!
  }

  /** The values of one of these, as they are kept, or widened to f32 where they are in parts: like the parameter. To be freed. */
  valuesOf(parameter: Parameter): Tensor {
    const parts = this.partsOf(parameter)
    if (parts.length === 1) return parts[0]!.view(parameter.shape)
    return scope(() =>
      withDevice(this.#device, () =>
        concat(
          parts.map((part) => cast(part, 'f32')),
          0,
        ),
      ),
    )
  }

  /**
   * Overwrites the values of one of these from its element `offset` on; `updated` is to follow. Of a block dtype rows are
   * whole; floats are quantised. Throws a RangeError beyond the parameter's end.
   */
  write(parameter: Parameter, data: FixedValues, offset = 0): void {
    const parts = this.partsOf(parameter)
    let index = 0
    let start = offset
    while (index < parts.length - 1 && start >= parts[index]!.elements) start -= parts[index++]!.elements
    const part = parts[index]!
    if (data instanceof Uint8Array) {
      const row = part.size(-1)
      using target = part.view([data.length / (part.bytes / (part.elements / row)), row], start)
      target.write(data)
    } else {
      const shape = isBlockDType(part.dtype) ? [data.length / part.size(-1), part.size(-1)] : [data.length]
      using target = part.view(shape, start)
      using given = fromArray(data, shape, data instanceof Float32Array ? 'f32' : 'bf16', this.#device)
      native.cast(target.handle, given.handle)
    }
    this.changed(parameter)
  }

  /** The dtype that one of these is kept in; undefined where it is in parts. */
  dtypeOf(parameter: Parameter): DType | undefined {
    const parts = this.partsOf(parameter)
    return parts.length === 1 ? parts[0]!.dtype : undefined
  }

  /** Overwrites all values of one of these, from a tensor of its shape; `updated` is to follow. */
  assign(parameter: Parameter, values: Tensor): void {
    let start = 0
    for (const part of this.partsOf(parameter)) {
      using own = values.view(part.shape, start)
      native.cast(part.handle, own.handle)
      start += part.elements
    }
    this.changed(parameter)
  }

  /** To be called after the values of one of these were changed otherwise than by `write`; `updated` is to follow. */
  changed(parameter: Parameter): void {
    const owner = this.#shared.get(parameter) ?? parameter
    if (this.#copies.has(owner)) this.#stale.add(owner)
  }

  /** To be called after values were changed: renews what ops compute with. */
  updated(): void {
    for (const parameter of this.#stale)
      native.cast(this.#copies.get(parameter)!.handle, this.partsOf(parameter)[0]!.handle)
    this.#stale.clear()
  }

  /** Frees the values and their copies. */
  [Symbol.dispose](): void {
    for (const parts of this.#parts.values()) for (const part of parts) part.free()
    for (const copy of this.#copies.values()) copy.free()
  }
}

function makeParts(parameter: Parameter, dtypes: readonly FixedDType[], device: Device): Tensor[] {
  const { name, shape, matrixRows } = parameter
  const [rows, row] = [shape[0]!, shape.at(-1)!]
  const partRows = dtypes.length === 1 ? [rows] : matrixRows
  if (partRows?.length !== dtypes.length)
    throw new Error(
      `parameter ${name}: it has ${matrixRows?.length ?? 1} matrices, received ${dtypes.length} dtypes`,
    )
  return dtypes.map((dtype, i) => {
    const partShape = dtypes.length === 1 ? shape : [partRows[i]!, ...shape.slice(1)]
    if (!isBlockDType(dtype)) return keep(full(partShape, 0, dtype, device))
    if (shape.length < 2 || row % blockValues(dtype) !== 0)
      throw new Error(
        `parameter ${name}: a row of ${row} values cannot be ${dtype}, whose blocks have ${blockValues(dtype)}`,
      )
    return keep(empty(partShape, dtype, device))
  })
}
