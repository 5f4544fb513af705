import { checkArguments } from '../arguments.js'
import { freezing } from '../autograd/frozen.js'
import { GradientSum } from '../autograd/gradient_sum.js'
import { native } from '../native.js'
import { currentDevice, type Device, parseDevice, withDevice } from '../tensor/device.js'
import { keep, scope } from '../tensor/scope.js'
import { elementsOf } from '../tensor/shape.js'
import { empty, fromArray, type Tensor, zeros } from '../tensor/tensor.js'
import { FixedParameters, type FixedStorage, type FixedValues, type KeptAs } from './fixed_parameters.js'
import { FrozenValues } from './frozen_values.js'
import type { Parameter } from './parameters.js'

/** What a model computes in; its weights stay f32. */
export type ComputeType = 'f32' | 'bf16'

const countOf = (parameters: readonly Parameter[]): number =>
  parameters.reduce((total, { shape }) => total + elementsOf(shape), 0)

/** A contiguous range of an arena, in elements. */
export interface Range {
  /** First element. */
  start: number
  /** Number of elements. */
  length: number
}

// 64 bytes in bf16, so that the ranges of both arenas are aligned alike.
const alignment = 32

const align = (elements: number) => Math.ceil(elements / alignment) * alignment

/**
 * The values of a model's trained parameters in one flat f32 tensor, their gradients in another, and where the model
 * computes in bf16 their rounded values in a third. Parameters with weight decay come first; each starts on a
 * 64-byte boundary and the padding between them stays zero. Parameters that are not trained lie outside, see
 * {@link FixedParameters}.
 */
export class ParameterArena {
  /** The trained ones, in the order that they lie in: those with weight decay first. */
  readonly parameters: readonly Parameter[]
  /** All of the model, those with weight decay first. */
  readonly everyParameter: readonly Parameter[]
  /** Those that are not trained. */
  readonly fixed: FixedParameters
  /** What ops on the parameters compute in. */
  readonly compute: ComputeType
  /** Where values and gradients lie, and so where the model runs. */
  readonly device: Device
  /** Length of the arena, padding included. */
  readonly elements: number
  /** f32 [elements]: the values that the optimizer updates. */
  readonly values: Tensor
  /** Changes with every update: a backward pass over older values throws. */
  version = 0
  /** False from `changing` to the end of `updated`: an update that threw has left the values half changed. */
  consistent = true
  /** bf16 [elements]: the values as ops compute with them; undefined where those are the values themselves. */
  readonly rounded: Tensor | undefined
  #gradients: Tensor | undefined
  readonly #sums = new Map<Parameter, GradientSum>()
  readonly #starts = new Map<Parameter, number>()
  readonly #frozen = new Set<FrozenValues>()

  constructor(
    parameters: readonly Parameter[],
    compute: ComputeType = 'f32',
    device: Device = currentDevice(),
    fixed: FixedStorage = () => undefined,
  ) {
    checkArguments('ParameterArena', { parameters: [parameters, 'array'] })
    for (const parameter of parameters)
      checkArguments('ParameterArena', { 'each of parameters': [parameter, 'parameter'] })
    this.everyParameter = [...parameters.filter((p) => p.decay), ...parameters.filter((p) => !p.decay)]
    this.compute = compute
    this.device = parseDevice(device, 'ParameterArena')
    const kept = new Map<Parameter, KeptAs>()
    for (const parameter of this.everyParameter) {
      const as = fixed(parameter)
      if (as) kept.set(parameter, as)
    }
    this.fixed = new FixedParameters(kept, compute, this.device)
    this.parameters = this.everyParameter.filter((parameter) => !kept.has(parameter))
    let end = 0
    for (const parameter of this.parameters) {
      this.#starts.set(parameter, end)
      end += align(elementsOf(parameter.shape))
    }
    this.elements = end
    this.values = keep(zeros([end], 'f32', this.device))
    this.rounded = compute === 'f32' ? undefined : keep(zeros([end], 'bf16', this.device))
    const computed = this.rounded ?? this.values
    for (const parameter of this.parameters) parameter.tensor = keep(this.#slice(computed, parameter))
  }

  /**
   * f32 [elements]; made, zeroed, at the first use: from then on ops on the parameters are recorded. To be asked for anew
   * after `zeroGradients`, which does not reach the padding: whoever writes gradients leaves zeros there.
   */
  get gradients(): Tensor {
    const gradients = this.#gradientMemory()
    for (const sum of this.#sums.values()) sum.settle()
    return gradients
  }

  #gradientMemory(): Tensor {
    if (this.#gradients) return this.#gradients
    this.#gradients = keep(zeros([this.elements], 'f32', this.device))
    for (const parameter of this.parameters) {
      const sum = new GradientSum(keep(this.#slice(this.#gradients, parameter)), () => this.version)
      this.#sums.set(parameter, sum)
      parameter.tensor.gradientTarget = sum
    }
    return this.#gradients
  }

  /**
   * Runs `body`, which must be synchronous, with these parameters taken as constants: gradients flow through ops to their
   * other inputs, and none is added to the arena's.
   * @throws TypeError where `body` is no function, Error where it returns a promise
   */
  frozen<R>(body: () => R): R {
    checkArguments('ParameterArena.frozen', { body: [body, 'function'] })
    const targets = this.parameters.map(({ tensor }) => tensor.gradientTarget)
    const result = freezing(new Set(targets.filter((target) => target !== undefined)), body)
    if (result instanceof Promise)
      throw new Error('ParameterArena.frozen: body must be synchronous, received one that returned a promise')
    return result
  }

  /** Number of parameters, trained or not; padding not counted. */
  get parameterCount(): number {
    return countOf(this.everyParameter)
  }

  /** Number of parameters that are trained; padding not counted. */
  get trainedCount(): number {
    return countOf(this.parameters)
  }

  /** Where the parameters that are chosen lie, paddings included: as few ranges as there can be, in order. */
  ranges(chosen: (parameter: Parameter) => boolean): Range[] {
    const ranges: Range[] = []
    for (const parameter of this.parameters.filter(chosen)) {
      const start = this.startOf(parameter)
      const length = align(elementsOf(parameter.shape))
      const last = ranges.at(-1)
      if (last && last.start + last.length === start) last.length += length
      else ranges.push({ start, length })
    }
    return ranges
  }

  /** The element that a parameter begins at. */
  startOf(parameter: Parameter): number {
    return this.#starts.get(parameter)!
  }

  /**
   * Samples the initial values: the same for the same seed, order and shapes of the parameters. `chosen`: of which; the
   * values of one do not depend on the others.
   */
  initialize(seed: number, chosen: (parameter: Parameter) => boolean = () => true): void {
    this.changing()
    const initializeAll = () =>
      this.everyParameter.forEach((parameter, index) => {
        if (chosen(parameter)) scope(() => initializeOne(parameter, index))
      })
    const initializeOne = (parameter: Parameter, index: number) => {
      const isInPlace = !this.fixed.has(parameter) || this.fixed.dtypeOf(parameter) === 'f32'
      const values = isInPlace ? this.valuesOf(parameter) : empty(parameter.shape)
      const { initial } = parameter
      if ('value' in initial) native.fill(values.handle, initial.value)
      else {
        const rows = fromArray(Int32Array.of(0, values.elements))
        const seeds = fromArray(Int32Array.of(seed | 0, Math.floor(seed / 2 ** 32) | 0, index, 0), [1, 4])
        const flat = values.view([values.elements, 1])
        native.normal(flat.handle, rows.handle, seeds.handle, initial.std)
      }
      if (!isInPlace) this.fixed.assign(parameter, values)
      else if (this.fixed.has(parameter)) this.fixed.changed(parameter)
    }
    withDevice(this.device, initializeAll)
    this.updated()
  }

  /**
   * The master values of one parameter, sharing their memory: f32, or as one that is not trained is kept; a copy in f32 of one
   * that is in parts of several dtypes. To be freed.
   */
  valuesOf(parameter: Parameter): Tensor {
    return this.fixed.has(parameter) ? this.fixed.valuesOf(parameter) : this.#slice(this.values, parameter)
  }

  /**
   * The values of one parameter out of `values`, which lie as the arena's do; of one that is not trained its own. To be freed.
   */
  valuesAmong(values: Tensor, parameter: Parameter): Tensor {
    return this.fixed.has(parameter) ? this.valuesOf(parameter) : this.#slice(values, parameter)
  }

  /**
   * Overwrites the master values of one parameter from its element `offset` on, with floats, the bits of bf16, or, of one that
   * is kept in a block dtype, the bytes of whole rows; `updated` is to follow. Throws a RangeError beyond the parameter's end.
   */
  write(parameter: Parameter, data: FixedValues, offset = 0): void {
    if (this.fixed.has(parameter)) return this.fixed.write(parameter, data, offset)
    if (data instanceof Uint8Array)
      throw new TypeError(`parameter ${parameter.name}: it is trained, and takes no blocks`)
    this.changing()
    using whole = this.valuesOf(parameter)
    using target = whole.view([data.length], offset)
    if (data instanceof Float32Array) target.write(data)
    else {
      using bits = fromArray(data, [data.length], 'bf16', this.device)
      native.cast(target.handle, bits.handle)
    }
  }

  /** Gives a parameter the values of another of its shape; `updated` is to follow. */
  copy(parameter: Parameter, from: Parameter): void {
    this.changing()
    using source = this.valuesOf(from)
    if (this.fixed.has(parameter)) return this.fixed.assign(parameter, source)
    using target = this.valuesOf(parameter)
    native.cast(target.handle, source.handle)
  }

  /**
   * The values as they are now, to be read over a time in which they may change: they are copied when they do. To be
   * freed.
   */
  freeze(): FrozenValues {
    const frozen = new FrozenValues(this, () => this.#frozen.delete(frozen))
    this.#frozen.add(frozen)
    return frozen
  }

  /** To be called before the values are changed: whoever has frozen them gets a copy. */
  changing(): void {
    this.consistent = false
    for (const frozen of this.#frozen) frozen.copy()
  }

  /**
   * To be called after the values were changed: renews what ops compute with, unless `rounded` was renewed with the values.
   */
  updated({ rounded = false } = {}): void {
    this.version++
    if (this.rounded && !rounded) native.cast(this.rounded.handle, this.values.handle)
    this.fixed.updated()
    this.consistent = true
  }

  /** A flat f32 copy of the values. */
  snapshot(): Tensor {
    const copy = empty([this.elements], 'f32', this.device)
    native.cast(copy.handle, this.values.handle)
    return copy
  }

  /** Takes over values that `snapshot` gave. */
  restore(snapshot: Tensor): void {
    this.changing()
    native.cast(this.values.handle, snapshot.handle)
    this.updated()
  }

  /** Exchanges the values with those of a flat f32 tensor. */
  swap(values: Tensor): void {
    this.changing()
    native.swap(this.values.handle, values.handle)
    this.updated()
  }

  /**
   * Sets all gradients to 0: those of matrices only as they are read or added to, for products can write the first of
   * a sum. It forgets that a backward pass has failed.
   */
  zeroGradients(): void {
    const gradients = this.#gradientMemory()
    const isMatrix = ({ shape }: Parameter) => shape.length > 1
    // The first, of nothing, is for arenas of matrices alone: a fill of any size clears the memory's mark.
    for (const { start, length } of [{ start: 0, length: 0 }, ...this.ranges((p) => !isMatrix(p))]) {
      using range = gradients.view([length], start)
      native.fill(range.handle, 0)
    }
    for (const [parameter, sum] of this.#sums) if (isMatrix(parameter)) sum.clear()
  }

  #slice(flat: Tensor, parameter: Parameter): Tensor {
    return flat.view(parameter.shape, this.startOf(parameter))
  }

  /** Whether its memory was given back. */
  get freed(): boolean {
    return this.values.freed
  }

  /** Frees values and gradients: the model can no longer be used. */
  [Symbol.dispose](): void {
    if (this.freed) return
    this.changing()
    this.fixed[Symbol.dispose]()
    for (const { tensor } of this.parameters) tensor.free()
    for (const sum of this.#sums.values()) sum.free()
    this.values.free()
    this.rounded?.free()
    this.#gradients?.free()
  }
}
