/** Values of a weights file on their way into an arena. */
import type { ParameterArena } from '../../../nn/arena.js'
import type { KeptAs } from '../../../nn/fixed_parameters.js'
import { writeParameter } from '../../../nn/parameter_values.js'
import type { Parameter } from '../../../nn/parameters.js'
import { fence } from '../../../tensor/device.js'
import { rowBytes } from '../../../tensor/dtype.js'
import { fromArray } from '../../../tensor/tensor.js'
import type { WeightPiece } from './weights.js'

/** Writes values that were read, widened where they are blocks and are kept as floats. */
export async function writePiece(
  arena: ParameterArena,
  parameter: Parameter,
  piece: WeightPiece,
): Promise<void> {
  const { data, offset, dtype } = piece
  const keeps =
    arena.fixed.has(parameter) && arena.fixed.partsOf(parameter).some((part) => part.dtype === dtype)
  if (data instanceof Uint8Array && !keeps) {
    const row = parameter.shape.at(-1)!
    using blocks = fromArray(data, [data.length / rowBytes(dtype!, row), row], dtype, arena.device)
    arena.write(parameter, await blocks.readFloats(), offset)
  } else arena.write(parameter, data, offset)
  await fence(arena.device)
}

/**
 * Gives parameters that a file, `path`, has as the same as others the values of those, where they are not theirs already.
 * `storedAs`: how it has a parameter.
 */
export async function copyShared(
  arena: ParameterArena,
  path: string,
  storedAs: (parameter: Parameter) => KeptAs | undefined,
): Promise<void> {
  for (const parameter of arena.everyParameter) {
    const stored = storedAs(parameter)
    if (typeof stored !== 'object' || !('sharedWith' in stored)) continue
    if (arena.fixed.has(parameter) && arena.fixed.sharedWith(parameter)) continue
    const owner = arena.everyParameter.find(({ name }) => name === stored.sharedWith)
    if (owner?.shape.join() !== parameter.shape.join())
      throw new Error(
        `${path}: "${parameter.name}" is to be the same as "${stored.sharedWith}", which is not like it`,
      )
    using values = arena.valuesOf(owner!)
    await writeParameter(arena, parameter, await values.readFloats())
  }
}
