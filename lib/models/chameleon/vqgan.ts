/** The VQGAN of taming-transformers (Esser et al. 2021) as a Chameleon's files have it, without its decoder, or with one beside. */
import { SafetensorsFolder } from '../../files/safetensors/safetensors_folder.js'
import { checkFloats } from '../../files/safetensors/safetensors_header.js'
import { SafetensorsReader } from '../../files/safetensors/safetensors_reader.js'
import type { ImageCodec } from '../../image/codec.js'
import type { ComputeType } from '../../nn/arena.js'
import { type ParameterValues, writeParameter } from '../../nn/parameter_values.js'
import type { Parameter } from '../../nn/parameters.js'
import { convolutionShape, fromStored } from '../../nn/stored_convolution.js'
import type { Device } from '../../tensor/device.js'
import { CodeCodec } from '../autoencoder/code_codec.js'
import type { AutoencoderConfig } from '../autoencoder/config.js'
import { unscaled } from '../autoencoder/run/measure_scale.js'
import { AutoencoderNetwork } from '../autoencoder/network.js'

/** What precedes the names of its tensors in a Chameleon's files. */
export const vqganPrefix = 'model.vqmodel.'

/** Parts of names, ours and taming's. */
const parts: readonly [own: RegExp, taming: string][] = [
  [/^(encoder|decoder)\.mid_block\.resnets\.0/, '$1.mid.block_1'],
  [/^(encoder|decoder)\.mid_block\.resnets\.1/, '$1.mid.block_2'],
  [/^(encoder|decoder)\.mid_block\.attentions\.0/, '$1.mid.attn_1'],
  [/^encoder\.down_blocks\.(\d+)\.resnets/, 'encoder.down.$1.block'],
  [/^encoder\.down_blocks\.(\d+)\.downsamplers\.0/, 'encoder.down.$1.downsample'],
  [/^decoder\.up_blocks\.(\d+)\.resnets/, 'decoder.up.$1.block'],
  [/^decoder\.up_blocks\.(\d+)\.upsamplers\.0/, 'decoder.up.$1.upsample'],
  [/\.group_norm\./, '.norm.'],
  [/\.to_([qkv])\./, '.$1.'],
  [/\.to_out\.0\./, '.proj_out.'],
  [/\.conv_shortcut\./, '.nin_shortcut.'],
  [/\.conv_norm_out\./, '.norm_out.'],
]

/** The name of a parameter in taming's files, whose decoder counts its levels from the finest; ours, as diffusers', from the coarsest. */
export function tamingName(name: string, levels: number): string {
  const renamed = parts.reduce((name, [own, taming]) => name.replace(own, taming), name)
  return renamed.replace(/^decoder\.up\.(\d+)/, (_, level) => `decoder.up.${levels - 1 - Number(level)}`)
}

/** The shape of a parameter in taming's files: linear layers are convolutions of 1 x 1, but the codebook is a matrix. */
const tamingShape = (parameter: Parameter): readonly number[] =>
  parameter.shape.length === 2 && !parameter.name.startsWith('quantize.')
    ? [...parameter.shape, 1, 1]
    : convolutionShape(parameter)

/** A file or folder of tensors. */
type Tensors = Pick<SafetensorsFolder, 'entry' | 'pathOf' | 'read'>

/** How a VQGAN is read. */
interface VqganOptions {
  readonly compute: ComputeType
  readonly device: Device
  /** A safetensors file of the decoder's tensors, named as in taming's checkpoint. */
  readonly imageDecoder: string | undefined
}

/**
 * Reads the VQGAN of a Chameleon's folder as a codec of codes; transformers has no decoder of it, so that images are generated as
 * codes alone, unless `imageDecoder` is given. Throws as {@link readVqgan}.
 */
export async function loadVqgan(
  folder: string,
  config: AutoencoderConfig,
  options: VqganOptions,
): Promise<ImageCodec> {
  const network = await readVqgan(folder, config, options)
  return CodeCodec.of({ network, scale: unscaled(config) }, folder, options.imageDecoder !== undefined)
}

/**
 * The network of a Chameleon's VQGAN; without `imageDecoder` its decoder's weights are 0. Throws an Error that names the file and
 * the tensor that is missing or of another shape.
 */
export async function readVqgan(
  folder: string,
  config: AutoencoderConfig,
  { compute, device, imageDecoder }: VqganOptions,
): Promise<AutoencoderNetwork> {
  await using files = await SafetensorsFolder.open(folder)
  await using decoder = imageDecoder === undefined ? undefined : await openFile(imageDecoder)
  const network = new AutoencoderNetwork(config, compute, device, () => compute)
  const levels = config.channels.length
  try {
    for (const parameter of network.arena.everyParameter) {
      const name = tamingName(parameter.name, levels)
      const isDecoder = name.startsWith('decoder.')
      if (isDecoder && !decoder) continue
      const [tensors, stored]: [Tensors, string] = isDecoder ? [decoder!, name] : [files, vqganPrefix + name]
      checkFloats(tensors.pathOf(stored), stored, tensors.entry(stored), tamingShape(parameter))
      const { data } = await tensors.read(stored)
      await writeParameter(network.arena, parameter, fromStored(data as ParameterValues, parameter))
    }
    network.arena.updated()
  } catch (error) {
    network[Symbol.dispose]()
    throw error
  }
  return network
}

/** One safetensors file, as a folder of it would be. */
async function openFile(path: string): Promise<Tensors & AsyncDisposable> {
  const reader = await SafetensorsReader.open(path)
  return {
    entry: (name) => reader.entries.get(name),
    pathOf: () => path,
    read: (name) => reader.read(name),
    [Symbol.asyncDispose]: () => reader.close(),
  }
}
