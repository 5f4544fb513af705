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

/** What has the tensors that a file lacks. */
export const remedy = 'scripts/lpips_weights.py makes a file of LPIPS over VGG16'

function entryOf({ path, entries }: SafetensorsReader, name: string): TensorEntry {
  const entry = entries.get(name)
  if (entry) return entry
  throw new SafetensorsError(`${path}: tensor "${name}" is missing; ${remedy}`)
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
