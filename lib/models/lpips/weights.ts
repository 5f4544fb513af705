/** The weights of LPIPS in a safetensors file with the names of PyPI's `lpips`, which scripts/lpips_weights.py makes. */
import {
  checkFloats,
  SafetensorsError,
  type TensorEntry,
} from '../../files/safetensors/safetensors_header.js'
import type { SafetensorsReader } from '../../files/safetensors/safetensors_reader.js'
import { convolutionNames } from './vgg.js'

/** The name of the head of a slice, counted from 0. */
export const headName = (slice: number): string => `lin${slice}.model.1.weight`

function entryOf({ path, entries }: SafetensorsReader, name: string): TensorEntry {
  const entry = entries.get(name)
  if (entry) return entry
  throw new SafetensorsError(
    `${path}: tensor "${name}" is missing; scripts/lpips_weights.py makes a file of LPIPS over VGG16`,
  )
}

/** The outputs of each convolution, by slice: the file's shapes say them. Throws a SafetensorsError. */
export function widthsIn(file: SafetensorsReader): number[][] {
  let inputs = 3
  return convolutionNames.map((names) =>
    names.map((name) => {
      const weight = `${name}.weight`
      const entry = entryOf(file, weight)
      const outputs = Math.max(1, entry.shape[0] ?? 1)
      checkFloats(file.path, weight, entry, [outputs, inputs, 3, 3])
      return (inputs = outputs)
    }),
  )
}

/** The values of a tensor of this shape, as floats. Throws a SafetensorsError unless it is there and all are finite. */
export async function readFinite(
  file: SafetensorsReader,
  name: string,
  shape: readonly number[],
): Promise<Float32Array> {
  checkFloats(file.path, name, entryOf(file, name), shape)
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
