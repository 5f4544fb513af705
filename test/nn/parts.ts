import { noGrad } from '../../lib/autograd/tape.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { ParameterList } from '../../lib/nn/parameters.js'
import type { AttentionSpans } from '../../lib/ops/attention.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'
import { hostArray, randomArray, toTensor } from '../host_array.js'

/** Makes a module and the arena of its parameters, initialized by the seed 1. */
export function moduleOf<M>(make: (list: ParameterList) => M): { module: M; arena: ParameterArena } {
  const list = new ParameterList()
  const module = make(list)
  const arena = new ParameterArena(list.parameters)
  arena.initialize(1)
  return { module, arena }
}

/** Gives every parameter values that are neither zero nor one. */
export function randomize(arena: ParameterArena): void {
  arena.parameters.forEach((parameter, i) => {
    const { data } = randomArray(parameter.shape, i + 10, 0.5)
    arena.write(parameter, Float32Array.from(data))
  })
  arena.updated()
}

/** Values of a parameter, by the end of its name. */
export function valuesOf(arena: ParameterArena, name: string): Promise<Float32Array> {
  const parameter = arena.parameters.find((candidate) => candidate.name.endsWith(name))!
  return arena.valuesOf(parameter).readFloats()
}

export const random = (shape: readonly number[], seed = 1): Tensor => toTensor(randomArray(shape, seed))
export const tensorOf = (shape: readonly number[], ...values: number[]): Tensor =>
  toTensor(hostArray(shape, values))
export const read = (compute: () => Tensor): Promise<Float32Array> => noGrad(compute).readFloats()

/** B sequences of T positions each; causal, or all positions seeing all. */
export function spans(B: number, T: number, causal: boolean): AttentionSpans {
  const positions = Array.from({ length: B * T }, (_, i) => i % T)
  const rows = Int32Array.from({ length: B + 1 }, (_, b) => b * T)
  return {
    keyStart: fromArray(new Int32Array(B * T)),
    keyEnd: fromArray(Int32Array.from(positions, (t) => (causal ? t + 1 : T))),
    queryRows: fromArray(rows),
    keyRows: fromArray(rows),
  }
}
