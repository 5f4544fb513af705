/**
 * Quantised weights in a safetensors file (docs/weights.md): the rows of a matrix as U8 [rows, bytes of a row], and under the
 * parameter's name in the file's metadata what they are:
 *
 *     "int8"                        one tensor, of the parameter's name
 *     "q4_k q4_k q6_k"              the matrices below each other that it is made of: tensors NAME.0, NAME.1, NAME.2
 *     "same as embedding.weight"    no tensor: the values of another parameter
 */
import { formatValue } from '../../../describe.js'
import { SafetensorsError, type TensorEntry } from '../../../files/safetensors/safetensors_header.js'
import type { SafetensorsReader } from '../../../files/safetensors/safetensors_reader.js'
import type { ParameterArena } from '../../../nn/arena.js'
import type { FixedDType, KeptAs } from '../../../nn/fixed_parameters.js'
import type { Parameter } from '../../../nn/parameters.js'
import { type BlockDType, blockDTypes, blockValues, isBlockDType, rowBytes } from '../../../tensor/dtype.js'
import { quantisedDTypes } from '../weight_storage.js'

const shared = 'same as '
const storedDTypes: readonly string[] = ['f32', 'bf16', ...blockDTypes]

/** The parameters that are written as they are kept: those that are not trained, without updates where these are `merged`. */
const keptOf = ({ everyParameter, fixed }: ParameterArena, merged: boolean): Parameter[] =>
  everyParameter.filter((parameter) => fixed.has(parameter) && !(merged && parameter.update))

/** The metadata of a file of an arena's weights: one text for each parameter that is quantised. */
export function describeBlocks(arena: ParameterArena, merged: boolean): Record<string, string> {
  const { fixed } = arena
  const quantised = keptOf(arena, merged).filter((parameter) =>
    fixed.partsOf(parameter).some(({ dtype }) => isBlockDType(dtype)),
  )
  return Object.fromEntries(
    quantised.map((parameter) => {
      const owner = fixed.sharedWith(parameter)
      const dtypes = fixed.partsOf(parameter).map(({ dtype }) => dtype)
      return [parameter.name, owner ? `${shared}${owner.name}` : dtypes.join(' ')]
    }),
  )
}

/** How a folder's weights may be quantised: in one way, or as a GGUF had them. */
export const quantisedKinds = ['int8', 'int4', 'stored'] as const

/** How weights are quantised, by what there is of them; undefined where none are. */
export function quantisedAs(
  arena: ParameterArena,
  merged: boolean,
): (typeof quantisedKinds)[number] | undefined {
  const parts = keptOf(arena, merged).flatMap((parameter) => arena.fixed.partsOf(parameter))
  const [dtype, ...others] = new Set(parts.map(({ dtype }) => dtype).filter(isBlockDType))
  if (dtype === undefined) return undefined
  if (others.length > 0) return 'stored'
  return quantisedKinds.find((kind) => kind !== 'stored' && quantisedDTypes[kind] === dtype) ?? 'stored'
}

/** The name of a part of a parameter in a file. */
export const partName = ({ name }: Parameter, part: number, parts: number): string =>
  parts === 1 ? name : `${name}.${part}`

/** How a file has a parameter; undefined: as floats. Throws an Error that names what of the metadata is wrong. */
export function blocksOf(
  { path, metadata }: Pick<SafetensorsReader, 'path' | 'metadata'>,
  { name, shape, matrixRows }: Parameter,
): KeptAs | undefined {
  const text = Object.hasOwn(metadata, name) ? metadata[name] : undefined
  if (text === undefined) return undefined
  if (text.startsWith(shared)) return { sharedWith: text.slice(shared.length) }
  const dtypes = text.split(' ')
  const fail = (problem: string): never => {
    throw new SafetensorsError(`${path}: the metadata of "${name}" is ${formatValue(text)}: ${problem}`)
  }
  const unknown = dtypes.find((dtype) => !storedDTypes.includes(dtype))
  if (unknown !== undefined) fail(`"${unknown}" is none of ${storedDTypes.join(', ')}`)
  if (dtypes.length > 1 && dtypes.length !== matrixRows?.length)
    fail(`it is made of ${matrixRows?.length ?? 1} matrices`)
  const known = dtypes as FixedDType[]
  for (const dtype of known)
    if (shape.length !== 2 || shape[1]! % blockValues(dtype) !== 0)
      fail(
        `its shape is [${shape.join(', ')}], and blocks of ${dtype} have ${blockValues(dtype)} values of a row`,
      )
  return known.length === 1 ? known[0] : known
}

/** Throws a SafetensorsError unless the entry is there, and has the blocks of [rows, K] values. */
export function checkBlocks(
  path: string,
  name: string,
  entry: TensorEntry | undefined,
  [rows, row]: readonly number[],
  dtype: BlockDType,
): void {
  if (!entry) throw new SafetensorsError(`${path}: tensor "${name}" is missing`)
  const expected = [rows!, rowBytes(dtype, row!)].join(', ')
  if (entry.dtype !== 'U8' || entry.shape.join(', ') !== expected)
    throw new SafetensorsError(
      `${path}: tensor "${name}" must be U8 of shape [${expected}], blocks of ${dtype}, ` +
        `it is ${entry.dtype} of [${entry.shape.join(', ')}]`,
    )
}
