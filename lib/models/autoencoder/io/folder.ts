/** An autoencoder as a folder of diffusers: `config.json` and `diffusion_pytorch_model.safetensors`, ours and theirs alike. */
import { dirname, join } from 'node:path'
import { checkArguments, checkOptions } from '../../../arguments.js'
import { currentFile, replaceFiles } from '../../../files/atomic_folder.js'
import { exists } from '../../../files/exists.js'
import { readJson, writeJson } from '../../../files/json_file.js'
import { checkCheckpointFolder } from '../../../files/safetensors/checkpoint_contents.js'
import { type PendingTensor, writeSafetensors } from '../../../files/safetensors/safetensors.js'
import { SafetensorsFolder } from '../../../files/safetensors/safetensors_folder.js'
import { checkFloats } from '../../../files/safetensors/safetensors_header.js'
import type { ComputeType } from '../../../nn/arena.js'
import {
  type ParameterValues,
  readAs,
  type SavedPrecision,
  writeParameter,
} from '../../../nn/parameter_values.js'
import { currentDevice, type Device, parseDevice } from '../../../tensor/device.js'
import type { LatentScale } from '../../../image/latent_scale.js'
import { AutoencoderNetwork } from '../network.js'
import { type AutoencoderDescription, diffusersConfig, readDiffusersConfig } from './diffusers_config.js'
import { fromStored, storedNames, storedShape, toStored } from './layout.js'

const stem = 'diffusion_pytorch_model'
const weightsFile = `${stem}.safetensors`

/** An autoencoder and how its latents are scaled. */
export interface LoadedAutoencoder {
  /** The weights; to be disposed of. */
  readonly network: AutoencoderNetwork
  /** Between its latents and the values that a diffusion model reads. */
  readonly scale: LatentScale
}

/** How an autoencoder's folder is read. */
export interface LoadAutoencoderOptions {
  /** bf16: f32 weights, rounded to bf16 for computing. */
  compute?: ComputeType
  /** Where the weights will lie and the model runs; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device
}

/** Where the files of an autoencoder's folder lie. */
export interface AutoencoderFiles {
  readonly config: string
  /** Of the weights, an index first where there are several. */
  readonly weights: readonly string[]
}

/** The files of an autoencoder's folder, or of the one in a folder of a diffusers pipeline. Throws as `loadAutoencoder`. */
export async function autoencoderFiles(path: string): Promise<AutoencoderFiles> {
  const { folder, config } = await locate(path)
  await using weights = await openWeights(folder)
  return { config, weights: weights.files }
}

async function locate(path: string): Promise<{ folder: string; config: string }> {
  const isPipeline = await exists(join(path, 'model_index.json'))
  const folder = isPipeline ? join(path, 'vae') : path
  await checkCheckpointFolder(folder)
  return { folder, config: await currentFile(folder, 'config.json') }
}

const openWeights = async (folder: string) =>
  SafetensorsFolder.open(dirname(await currentFile(folder, weightsFile)), stem)

/** The sizes of an autoencoder and the scale of its latents, without its weights. Throws as `loadAutoencoder`. */
export const describeAutoencoder = async (path: string): Promise<AutoencoderDescription> =>
  describe(await locate(path))

const describe = async ({ config }: { config: string }): Promise<AutoencoderDescription> =>
  readDiffusersConfig(await readJson(config), config)

/**
 * Reads an autoencoder of diffusers (AutoencoderKL of Stable Diffusion 1.5, 2, XL, 3 and FLUX, or VQModel) from its folder,
 * or the one in a pipeline's folder: weights of f32, bf16 or f16, in one file or several. Throws an Error that names what is
 * missing, malformed or not supported.
 */
export async function loadAutoencoder(
  path: string,
  options: LoadAutoencoderOptions = {},
): Promise<LoadedAutoencoder> {
  checkArguments('loadAutoencoder', { path: [path, 'string'] })
  checkOptions('loadAutoencoder', options, { compute: true, device: true })
  const device = parseDevice(options.device ?? currentDevice(), 'loadAutoencoder')
  const located = await locate(path)
  const { config, scale } = await describe(located)
  await using weights = await openWeights(located.folder)
  const network = new AutoencoderNetwork(config, options.compute, device)
  try {
    const { arena } = network
    const stored = new Map(
      arena.parameters.map((parameter) => {
        const { name } = parameter
        return [storedNames(name).find((name) => weights.entry(name)) ?? name, parameter]
      }),
    )
    for (const [name, parameter] of stored)
      checkFloats(weights.pathOf(name), name, weights.entry(name), storedShape(parameter))
    const unknown = [...weights.names].find((name) => !stored.has(name))
    if (unknown !== undefined)
      throw new Error(`${weights.pathOf(unknown)}: an autoencoder of this config has no tensor "${unknown}"`)
    for (const [name, parameter] of stored) {
      const { data } = await weights.read(name)
      await writeParameter(arena, parameter, fromStored(data as ParameterValues, parameter))
    }
    arena.updated()
  } catch (error) {
    network[Symbol.dispose]()
    throw error
  }
  return { network, scale }
}

/**
 * Writes a folder from which diffusers and `loadAutoencoder` load the autoencoder, in place of one that it has: all or,
 * whatever happens, nothing.
 */
export async function saveAutoencoder(
  folder: string,
  autoencoder: LoadedAutoencoder,
  precision: SavedPrecision = 'f32',
): Promise<void> {
  checkArguments('saveAutoencoder', {
    folder: [folder, 'string'],
    autoencoder: [autoencoder, 'autoencoder'],
  })
  const { network, scale } = autoencoder
  const { arena, config } = network
  using frozen = arena.freeze()
  const tensors = arena.parameters.map((parameter): [string, PendingTensor] => [
    parameter.name,
    {
      dtype: precision,
      shape: storedShape(parameter),
      read: async () => {
        using part = frozen.tensor.view(parameter.shape, arena.startOf(parameter))
        return toStored(await readAs(part, precision), parameter)
      },
    },
  ])
  await replaceFiles(folder, async (aside) => {
    // Without this word diffusers does not take the file.
    await writeSafetensors(join(aside, weightsFile), new Map(tensors), { format: 'pt' })
    await writeJson(join(aside, 'config.json'), diffusersConfig({ config, scale }))
  })
}
