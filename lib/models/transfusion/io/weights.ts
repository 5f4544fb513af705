import type { Checksum } from '../../../files/checksum.js'
import { type PendingTensor, writeSafetensors } from '../../../files/safetensors/safetensors.js'
import { checkFloats } from '../../../files/safetensors/safetensors_header.js'
import { SafetensorsReader } from '../../../files/safetensors/safetensors_reader.js'
import type { ParameterArena } from '../../../nn/arena.js'
import { type ParameterValues, readAs, type SavedPrecision } from '../../../nn/parameter_values.js'
import type { Parameter } from '../../../nn/parameters.js'
import type { Tensor } from '../../../tensor/tensor.js'

/**
 * Writes a model's weights, one parameter in memory at a time; the file is whole or not there at all. `values`: f32
 * [elements] that lie as the arena's do, read at each parameter. Resolves with the file's checksum.
 */
export function writeWeights(
  path: string,
  arena: ParameterArena,
  precision: SavedPrecision,
  values: () => Tensor,
): Promise<string> {
  const tensors = arena.everyParameter.map((parameter): [string, PendingTensor] => [
    parameter.name,
    {
      dtype: precision,
      shape: parameter.shape,
      read: async () => {
        using part = arena.valuesAmong(values(), parameter)
        return await readAs(part, precision)
      },
    },
  ])
  return writeSafetensors(path, new Map(tensors))
}

/**
 * Reads weights of f32, bf16 or f16 and hands them to `write`, one parameter of `expected` after the other. Throws an Error that
 * names what is missing, unknown or of another shape or dtype, before it has handed over any. `sum` is told all bytes.
 */
export async function readWeights(
  path: string,
  expected: readonly Parameter[],
  write: (parameter: Parameter, values: ParameterValues) => void | Promise<void>,
  sum?: Checksum,
): Promise<void> {
  await using reader = await SafetensorsReader.open(path, sum)
  const parameters = new Map(expected.map((parameter) => [parameter.name, parameter]))
  const entries = new Map([...reader.entries].map(([name, entry]) => [currentName(name), entry]))
  const unknown = [...entries.keys()].filter((name) => !parameters.has(name))
  if (unknown.length > 0)
    throw new Error(`${path}: the model has no parameter ${unknown.slice(0, 5).join(', ')}`)
  for (const { name, shape } of expected) checkFloats(path, name, entries.get(name), shape)
  // In the file's order, which the checksum needs.
  for (const name of reader.entries.keys())
    await write(parameters.get(currentName(name))!, (await reader.read(name)).data as ParameterValues)
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
