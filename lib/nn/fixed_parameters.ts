import { native } from '../native.js'
import type { Device } from '../tensor/device.js'
import type { ElementDType } from '../tensor/dtype.js'
import { keep } from '../tensor/scope.js'
import { fromArray, type Tensor, zeros } from '../tensor/tensor.js'
import type { Parameter } from './parameters.js'

/** How the values of a parameter that is not trained are kept. */
export type FixedDType = Exclude<ElementDType, 'i32'>

/** Says of a parameter how its values are kept where it is not trained; undefined: it is trained. */
export type FixedStorage = (parameter: Parameter) => FixedDType | undefined

/**
 * The parameters of a model that are not trained: each is a tensor of its own, in the dtype that it is kept in, without
 * gradient, moments or average. Where the model computes in another float dtype each has a copy in that.
 */
export class FixedParameters {
  /** In the order that they were given in. */
  readonly parameters: readonly Parameter[]
  readonly #device: Device
  readonly #values = new Map<Parameter, Tensor>()
  /** Those whose copy is older than their values. */
  readonly #stale = new Set<Parameter>()

  constructor(kept: ReadonlyMap<Parameter, FixedDType>, compute: 'f32' | 'bf16', device: Device) {
    this.parameters = [...kept.keys()]
    this.#device = device
    for (const [parameter, dtype] of kept) {
      const values = keep(zeros(parameter.shape, dtype, device))
      this.#values.set(parameter, values)
      parameter.tensor = dtype === compute ? values : keep(zeros(parameter.shape, compute, device))
    }
  }

  /** Whether a parameter is one of these. */
  has(parameter: Parameter): boolean {
    return this.#values.has(parameter)
  }

  /** The values of one of these, as they are kept: like the parameter. They stay these parameters'. */
  valuesOf(parameter: Parameter): Tensor {
    return this.#values.get(parameter)!
  }

  /**
   * Overwrites the values of one of these from its element `offset` on, with floats or the bits of bf16; `updated` is to
   * follow. Throws a RangeError beyond the parameter's end.
   */
  write(parameter: Parameter, data: Float32Array | Uint16Array, offset = 0): void {
    using target = this.valuesOf(parameter).view([data.length], offset)
    using given = fromArray(data, [data.length], data instanceof Float32Array ? 'f32' : 'bf16', this.#device)
    native.cast(target.handle, given.handle)
    this.changed(parameter)
  }

  /** To be called after the values of one of these were changed otherwise than by `write`; `updated` is to follow. */
  changed(parameter: Parameter): void {
    if (parameter.tensor !== this.valuesOf(parameter)) this.#stale.add(parameter)
  }

  /** To be called after values were changed: renews what ops compute with. */
  updated(): void {
    for (const parameter of this.#stale) native.cast(parameter.tensor.handle, this.valuesOf(parameter).handle)
    this.#stale.clear()
  }

  /** Frees the values and their copies. */
  [Symbol.dispose](): void {
    for (const [{ tensor }, values] of this.#values) {
      values.free()
      if (tensor !== values) tensor.free()
    }
  }
}
