/** How a model's weights are kept in memory where it is not trained. */
import { ConfigError } from '../../config/parse.js'
import { formatValue } from '../../describe.js'
import type { ComputeType } from '../../nn/arena.js'
import type { FixedDType, FixedStorage, KeptAs } from '../../nn/fixed_parameters.js'
import type { Parameter } from '../../nn/parameters.js'
import { blockValues } from '../../tensor/dtype.js'

/**
 * How weights are kept. f32: to be trained, with what that takes. The others are for inference alone:
 *
 * - bf16: half the memory; the model computes in bf16.
 * - int8: matrices in 8 bits and a scale for each row.
 * - int4: matrices in 4 bits, 32 values of a row having a scale and a minimum (llama.cpp's Q4_1).
 * - stored: as the files have them, a GGUF's blocks as they lie. Its types Q5_0, Q5_1 and Q5_K have no products here: they are
 *   widened to the type that the model computes in.
 *
 * Quantised are the matrices of the transformer, the embedding and the output; norms, biases and what reads and writes patches
 * are kept in the type that the model computes in, and so are matrices whose rows are not of whole blocks.
 */
export const weightKinds = ['f32', 'bf16', 'int8', 'int4', 'stored'] as const
/** See {@link weightKinds}. */
export type WeightKind = (typeof weightKinds)[number]

/** What of a model's options says how its weights are kept. */
export interface WeightOptions {
  /** f32, to be trained, or for inference alone bf16, int8, int4, or stored: as the files have them. */
  weights?: WeightKind | undefined
  /** What is computed in; by default bf16 where the weights are kept in bf16, else f32. */
  compute?: ComputeType | undefined
  /** Goes with weights that are trained alone. */
  freeze?: unknown
}

/** Throws a ConfigError unless `weights` is one of the kinds, and goes with `compute` and `freeze`. */
export function checkWeightOptions(callee: string, { weights, compute, freeze }: WeightOptions): void {
  if (weights !== undefined && !weightKinds.includes(weights))
    throw new ConfigError(
      `${callee}: weights must be one of ${weightKinds.join(', ')}, received ${formatValue(weights)}`,
    )
  if (freeze !== undefined && weights !== undefined && weights !== 'f32')
    throw new ConfigError(
      `${callee}: weights of ${weights} are for inference, none of them is trained: leave freeze out`,
    )
  if (weights === 'bf16' && compute === 'f32')
    throw new ConfigError(
      `${callee}: weights of bf16 are computed with in bf16, received compute "f32": leave one of the two out`,
    )
}

/** What a model computes in whose weights are kept so; `stored`: whether its files have floats of bf16 or f16 alone. */
export const computeOf = ({ weights, compute }: WeightOptions, storesHalves = false): ComputeType =>
  compute ?? (weights === 'bf16' || (weights === 'stored' && storesHalves) ? 'bf16' : 'f32')

const quantised = { int8: 'int8', int4: 'q4_1' } as const satisfies Partial<Record<WeightKind, FixedDType>>

/** Whether a parameter is a matrix of the transformer, the embedding or the output: those that are quantised. */
export const mayBeQuantised = ({ name, shape }: Parameter): boolean =>
  shape.length === 2 && /^(layers\.|embedding\.weight$|output\.weight$)/.test(name)

/** Where a parameter's values are: the dtypes that its files have it in, or the parameter whose values are its own too. */
export type StoredAs = (parameter: Parameter) => KeptAs | undefined

/** Undefined for f32: all parameters are trained. `storedAs`: undefined for what the files do not have in blocks. */
export function storageOf(
  weights: WeightKind,
  compute: ComputeType,
  storedAs: StoredAs = () => undefined,
): FixedStorage | undefined {
  if (weights === 'f32') return undefined
  return (parameter) => {
    const stored = storedAs(parameter)
    if (typeof stored === 'object' && 'sharedWith' in stored) return stored
    if (weights === 'stored' && mayBeQuantised(parameter)) return stored ?? compute
    const dtype = quantised[weights as keyof typeof quantised]
    if (!dtype || !mayBeQuantised(parameter)) return compute
    return parameter.shape.at(-1)! % blockValues(dtype) === 0 ? dtype : compute
  }
}
