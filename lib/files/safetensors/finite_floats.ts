import { fileError } from '../file_error.js'
import { checkFloats, SafetensorsError } from './safetensors_header.js'
import { SafetensorsReader } from './safetensors_reader.js'

/** Opens the weights of a network that a user names. Rejects with an Error that names the file. */
export const openWeights = (path: string): Promise<SafetensorsReader> =>
  SafetensorsReader.open(path).catch((error: unknown) => {
    throw fileError(path, error)
  })

/**
 * The values of a tensor of this shape, as floats. Throws a SafetensorsError unless it is there and all are finite; `remedy`
 * says after "tensor ... is missing" what file would have it.
 */
export async function readFinite(
  file: SafetensorsReader,
  name: string,
  shape: readonly number[],
  remedy: string,
): Promise<Float32Array> {
  const entry = file.entries.get(name)
  if (!entry) throw new SafetensorsError(`${file.path}: tensor "${name}" is missing; ${remedy}`)
  checkFloats(file.path, name, entry, shape)
  const { dtype, data } = await file.read(name)
  const values = dtype === 'bf16' ? floatsOfBf16(data) : (data as Float32Array)
  const place = values.findIndex((value) => !Number.isFinite(value))
  if (place >= 0)
    throw new SafetensorsError(
      `${file.path}: tensor "${name}" must have finite values, element ${place} is ${values[place]}`,
    )
  return values
}

/** A float of the bits of bf16 and 16 zeros. */
const floatsOfBf16 = (bits: Uint16Array): Float32Array =>
  new Float32Array(Uint32Array.from(bits, (value) => value << 16).buffer)
