/** The values of parameters between an arena and files. */
import { cast } from '../ops/cast.js'
import type { Tensor } from '../tensor/tensor.js'
import { writePieces } from '../tensor/write_pieces.js'
import type { ParameterArena } from './arena.js'
import type { Parameter } from './parameters.js'

/** Of weights on disk: bf16 takes half the space of f32 and keeps 8 of 24 bits of each value. */
export type SavedPrecision = 'f32' | 'bf16'

/** Values of a parameter as a file has them: floats, or the bits of bf16. */
export type ParameterValues = Float32Array | Uint16Array

/** The values of a weight as they are on disk: bf16 as its bits. */
export async function readAs(values: Tensor, precision: SavedPrecision): Promise<ParameterValues> {
  if (precision === 'f32') return await values.readFloats()
  using rounded = cast(values, 'bf16')
  return await rounded.readBits()
}

/** Writes values that were read into an arena. */
export const writeParameter = (
  arena: ParameterArena,
  parameter: Parameter,
  values: ParameterValues,
): Promise<void> => writePieces(values, arena.device, (piece, start) => arena.write(parameter, piece, start))
