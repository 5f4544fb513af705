import type { Checksum } from '../../../files/checksum.js'
import { type PendingTensor, writeSafetensors } from '../../../files/safetensors/safetensors.js'
import { checkFloats } from '../../../files/safetensors/safetensors_header.js'
import { SafetensorsReader } from '../../../files/safetensors/safetensors_reader.js'
import type { ParameterArena } from '../../../nn/arena.js'
import type { FixedValues, KeptAs } from '../../../nn/fixed_parameters.js'
import { readAs, type SavedPrecision } from '../../../nn/parameter_values.js'
import { mergedValues } from '../../../nn/low_rank.js'
import type { Parameter } from '../../../nn/parameters.js'
import { type BlockDType, isBlockDType, rowBytes } from '../../../tensor/dtype.js'
import type { Tensor } from '../../../tensor/tensor.js'
import { isFactor } from '../lora.js'
import { blocksOf, checkBlocks, describeBlocks, partName } from './quantised_weights.js'

/**
 * Writes a model's weights, one parameter in memory at a time; the file is whole or not there at all. `values`: f32
 * [elements] that lie as the arena's do, read at each parameter. Quantised weights are written as they lie (docs/weights.md).
 * Low-rank updates are `merged` into the weights, or written beside them.
 * Resolves with the file's checksum.
 */
export function writeWeights(
  path: string,
  arena: ParameterArena,
  precision: SavedPrecision,
  values: () => Tensor,
  merged = true,
): Promise<string> {
  const metadata = describeBlocks(arena, merged)
  const written = arena.everyParameter.filter(({ name }) => !merged || !isFactor(name))
  const tensors = written.flatMap((parameter): [string, PendingTensor][] => {
    const { name, shape } = parameter
    if (metadata[name] !== undefined)
      return arena.fixed.sharedWith(parameter) ? [] : blockTensors(arena, parameter)
    const read = async () => {
      using part = (merged ? mergedValues : valuesAlone)(arena, values(), parameter)
      return await readAs(part, precision)
    }
    return [[name, { dtype: precision, shape, read }]]
  })
  return writeSafetensors(path, new Map(tensors), metadata)
}

const valuesAlone = (arena: ParameterArena, values: Tensor, parameter: Parameter): Tensor =>
  arena.valuesAmong(values, parameter)

function blockTensors({ fixed }: ParameterArena, parameter: Parameter): [string, PendingTensor][] {
  const parts = fixed.partsOf(parameter)
  return parts.map((part, i) => {
    const dtype = isBlockDType(part.dtype) ? 'u8' : (part.dtype as SavedPrecision)
    const [rows, row] = part.shape as [number, number]
    const shape = [rows, dtype === 'u8' ? rowBytes(part.dtype, row) : row]
    const read = () => (dtype === 'u8' ? part.readBytes() : readAs(part, dtype))
    return [partName(parameter, i, parts.length), { dtype, shape, read }]
  })
}

/** Some of a parameter's values, in whole rows. */
export interface WeightPiece {
  readonly data: FixedValues
  /** The element that it begins at. */
  readonly offset: number
  /** Of bytes: what they are blocks of. */
  readonly dtype?: BlockDType | undefined
}

/** How the parameters of a file are stored: undefined for floats. Throws as `readWeights`. */
export async function readWeightTypes(path: string): Promise<{
  storedAs: (parameter: Parameter) => KeptAs | undefined
  /** Whether all floats are of 16 bits. */
  storesHalves: boolean
}> {
  await using reader = await SafetensorsReader.open(path)
  const dtypes = [...reader.entries.values()].map(({ dtype }) => dtype).filter((dtype) => dtype !== 'U8')
  const storesHalves = dtypes.length > 0 && dtypes.every((dtype) => dtype === 'BF16' || dtype === 'F16')
  return { storedAs: (parameter) => blocksOf(reader, parameter), storesHalves }
}

/**
 * Reads weights of f32, bf16, f16 or blocks and hands them to `write` piece by piece, one parameter of `expected` after the other;
 * a piece is valid until `write` is done. Throws an Error that names what is missing, unknown or of another shape or dtype, before
 * it has handed over any. `sum` is told all bytes.
 */
export async function readWeights(
  path: string,
  expected: readonly Parameter[],
  write: (parameter: Parameter, piece: WeightPiece) => void | Promise<void>,
  sum?: Checksum,
): Promise<void> {
  await using reader = await SafetensorsReader.open(path, sum)
  const entries = new Map([...reader.entries].map(([name, entry]) => [currentName(name), entry]))
  const places = new Map<string, Place>()
  for (const parameter of expected)
    for (const place of placesOf(reader, parameter)) places.set(place.tensor, place)
  const unknown = [...entries.keys()].filter((name) => !places.has(name))
  if (unknown.length > 0)
    throw new Error(`${path}: the model has no parameter ${unknown.slice(0, 5).join(', ')}`)
  for (const { tensor, shape, dtype } of places.values())
    if (dtype) checkBlocks(path, tensor, entries.get(tensor), shape, dtype)
    else checkFloats(path, tensor, entries.get(tensor), shape)
  // In the file's order, which the checksum needs.
  for (const name of reader.entries.keys()) {
    const { parameter, dtype, shape, offset } = places.get(currentName(name))!
    let done = offset
    const row = shape.at(-1) ?? 1
    for await (const data of dtype ? reader.readBytes(name) : reader.readPieces(name)) {
      await write(parameter, { data, offset: done, dtype })
      done += dtype ? (data.length / rowBytes(dtype, row)) * row : data.length
    }
  }
}

/** A tensor of a file, and which values of which parameter it has. */
interface Place {
  readonly tensor: string
  readonly parameter: Parameter
  /** Of the values. */
  readonly shape: readonly number[]
  readonly dtype: BlockDType | undefined
  readonly offset: number
}

function placesOf(reader: SafetensorsReader, parameter: Parameter): Place[] {
  const { name, shape } = parameter
  const stored = blocksOf(reader, parameter)
  if (stored === undefined) return [{ tensor: name, parameter, shape, dtype: undefined, offset: 0 }]
  if (typeof stored === 'object' && 'sharedWith' in stored) return []
  const dtypes = typeof stored === 'string' ? [stored] : stored
  const rows = dtypes.length === 1 ? [shape[0]!] : parameter.matrixRows!
  let offset = 0
  return dtypes.map((dtype, i) => {
    const partShape = [rows[i]!, ...shape.slice(1)]
    const place = {
      tensor: partName(parameter, i, dtypes.length),
      parameter,
      shape: partShape,
      dtype: isBlockDType(dtype) ? dtype : undefined,
      offset,
    }
    offset += partShape[0]! * (shape[1] ?? 1)
    return place
  })
}

/** Modules that had other names in files of earlier builds. */
const renamedModules: readonly [old: string, current: string][] = [
  ['patch_encoder.down.smaller.', 'patch_encoder.down.downsample.'],
  ['patch_decoder.up.larger.', 'patch_decoder.up.upsample.'],
  ['patch_decoder.whole.', 'patch_decoder.pooled_context.'],
]

/** The name that a parameter has now, by its name in a file. */
function currentName(name: string): string {
  const renamed = renamedModules.find(([old]) => name.startsWith(old))
  return renamed ? renamed[1] + name.slice(renamed[0].length) : name
}
