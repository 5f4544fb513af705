import { type PendingTensor, writeSafetensors } from '../../data/safetensors.js'
import { checkFloats } from '../../data/safetensors_header.js'
import { SafetensorsReader } from '../../data/safetensors_reader.js'
import type { ParameterArena } from '../../nn/arena.js'
import type { Parameter } from '../../nn/parameters.js'
import { cast } from '../../ops/cast.js'
import { fence } from '../../tensor/device.js'
import type { Tensor } from '../../tensor/tensor.js'

/** Of weights on disk: bf16 takes half the space of f32 and keeps 8 of 24 bits of each value. */
export type SavedPrecision = 'f32' | 'bf16'

/** Writes a model's weights, one parameter in memory at a time; the file is whole or not there at all. */
export function writeWeights(path: string, arena: ParameterArena, precision: SavedPrecision): Promise<void> {
  const tensors = arena.parameters.map((parameter): [string, PendingTensor] => [
    parameter.name,
    {
      dtype: precision,
      shape: parameter.shape,
      read: () => readValues(arena, parameter, precision),
    },
  ])
  return writeSafetensors(path, new Map(tensors))
}

async function readValues(arena: ParameterArena, parameter: Parameter, precision: SavedPrecision) {
  using values = arena.valuesOf(parameter)
  return await readAs(values, precision)
}

/** The values of a weight as they are on disk: bf16 as its bits. */
export async function readAs(values: Tensor, precision: SavedPrecision): Promise<Float32Array | Uint16Array> {
  if (precision === 'f32') return await values.readFloats()
  using rounded = cast(values, 'bf16')
  return await rounded.readBits()
}

/**
 * Reads weights of f32, bf16 or f16, one parameter in memory at a time. Throws an Error that names what is missing,
 * unknown or of another shape or dtype; nothing is overwritten then.
 */
export async function readWeights(path: string, arena: ParameterArena): Promise<void> {
  await using reader = await SafetensorsReader.open(path)
  const known = new Set(arena.parameters.map(({ name }) => name))
  const unknown = [...reader.entries.keys()].filter((name) => !known.has(name))
  if (unknown.length > 0)
    throw new Error(`${path}: the model has no parameter ${unknown.slice(0, 5).join(', ')}`)
  for (const { name, shape } of arena.parameters) checkFloats(path, name, reader.entries.get(name), shape)
  for (const parameter of arena.parameters) {
    arena.write(parameter, (await reader.read(parameter.name)).data as Float32Array | Uint16Array)
    // Before the next is read: the stream may be busy, and each waits in a copy.
    await fence()
  }
  arena.updated()
}
