/** What ResNet a file of weights is of: its names are torchvision's, and shapes say the widths. */
import { SafetensorsError } from '../../files/safetensors/safetensors_header.js'
import type { SafetensorsReader } from '../../files/safetensors/safetensors_reader.js'
import type { NormedConvolution, ResnetBlock, ResnetLayers } from './network.js'

/** What has the tensors that a file lacks. */
export const remedy =
  'expected the weights of a ResNet with the names of torchvision, as scripts/resnet_weights.py writes them'

/** The layers of a file's ResNet. Throws a SafetensorsError where tensors are missing. */
export function layersIn(file: SafetensorsReader): ResnetLayers {
  const normed = (
    part: string,
    [name, norm]: readonly [string, string],
    inputs: number,
    [size, stride]: readonly [number, number],
  ): NormedConvolution => {
    const weight = `${part}${name}.weight`
    const entry = file.entries.get(weight)
    if (!entry) throw new SafetensorsError(`${file.path}: tensor "${weight}" is missing; ${remedy}`)
    const outputs = Math.max(1, entry.shape[0] ?? 1)
    return { name: part + name, norm: part + norm, inputs, outputs, size, stride }
  }
  const block = (part: string, inputs: number, stride: number): ResnetBlock => {
    const has = (name: string) => file.entries.has(`${part}${name}.weight`)
    // Of three convolutions the middle one is of 3 x 3, and it strides (torchvision's "ResNet V1.5").
    const windows = has('conv3')
      ? ([[1, 1], [3, stride], [1, 1]] as const) // prettier-ignore
      : ([[3, stride], [3, 1]] as const) // prettier-ignore
    let width = inputs
    const convolutions = windows.map((window, i) => {
      const convolution = normed(part, [`conv${i + 1}`, `bn${i + 1}`], width, window)
      width = convolution.outputs
      return convolution
    })
    const shortcut =
      has('downsample.0') || stride !== 1 || width !== inputs
        ? normed(part, ['downsample.0', 'downsample.1'], inputs, [1, stride])
        : undefined
    return { convolutions, shortcut }
  }
  const stem = normed('', ['conv1', 'bn1'], 3, [7, 2])
  const blocks: ResnetBlock[] = []
  let width = stem.outputs
  for (const stage of [1, 2, 3, 4])
    for (let i = 0; i === 0 || file.entries.has(`layer${stage}.${i}.conv1.weight`); i++) {
      const made = block(`layer${stage}.${i}.`, width, i === 0 && stage > 1 ? 2 : 1)
      width = made.convolutions.at(-1)!.outputs
      blocks.push(made)
    }
  return { stem, blocks }
}
