/** How a model's weights are kept in memory where it is not trained. */
import { ConfigError } from '../../config/parse.js'
import { formatValue } from '../../describe.js'
import type { ComputeType } from '../../nn/arena.js'
import type { FixedDType, FixedStorage, KeptAs } from '../../nn/fixed_parameters.js'
import type { Parameter } from '../../nn/parameters.js'
import { type WeightKind, weightKinds } from '../../nn/weight_kinds.js'
import { blockValues } from '../../tensor/dtype.js'

/** What of a model's options says how its weights are kept. */
export interface WeightOptions {
  /** f32, to be trained, or for inference and what is frozen bf16, int8, int4, or stored: as the files have them. */
  weights?: WeightKind | undefined
  /** What is computed in; by default bf16 where the weights are kept in bf16, else f32. */
  compute?: ComputeType | undefined
}

/** Throws a ConfigError unless `weights` is one of the kinds, and goes with `compute`. */
export function checkWeightOptions(callee: string, { weights, compute }: WeightOptions): void {
  if (weights !== undefined && !weightKinds.includes(weights))
    throw new ConfigError(
      `${callee}: weights must be one of ${weightKinds.join(', ')}, received ${formatValue(weights)}`,
    )
  if (weights === 'bf16' && compute === 'f32')
    throw new ConfigError(
      `${callee}: weights of bf16 are computed with in bf16, received compute "f32": leave one of the two out`,
    )
}

/** What a model computes in whose weights are kept so; `stored`: whether its files have floats of bf16 or f16 alone. */
export const computeOf = ({ weights, compute }: WeightOptions, storesHalves = false): ComputeType =>
  compute ?? (weights === 'bf16' || (weights === 'stored' && storesHalves) ? 'bf16' : 'f32')

/** What matrices are kept in where they are quantised in one way. */
export const quantisedDTypes = { int8: 'int8', int4: 'q4_1' } as const satisfies Partial<
  Record<WeightKind, FixedDType>
>

/** Whether a parameter is a matrix of the transformer, the embedding or the output: those that are quantised. */
export const mayBeQuantised = ({ name, shape }: Parameter): boolean =>
  shape.length === 2 && /^(layers\.|embedding\.weight$|output\.weight$)/.test(name)

/** Where a parameter's values are: the dtypes that its files have it in, or the parameter whose values are its own too. */
export type StoredAs = (parameter: Parameter) => KeptAs | undefined

/**
 * How a model's parameters are kept: those that are `frozen`, or without that all, as `weights` says; f32 are trained but for
 * the frozen ones. `storedAs`: undefined for what the files do not have in blocks.
 */
export function storageOf(
  weights: WeightKind,
  compute: ComputeType,
  storedAs: StoredAs = () => undefined,
  frozen?: FixedStorage,
): FixedStorage | undefined {
  if (weights === 'f32') return frozen
  return (parameter) => {
    if (frozen && !frozen(parameter)) return undefined
    const stored = storedAs(parameter)
    if (typeof stored === 'object' && 'sharedWith' in stored) return stored
    if (weights === 'stored' && mayBeQuantised(parameter)) return stored ?? compute
    const dtype = quantisedDTypes[weights as keyof typeof quantisedDTypes]
    if (!dtype || !mayBeQuantised(parameter)) return compute
    return parameter.shape.at(-1)! % blockValues(dtype) === 0 ? dtype : compute
  }
}
