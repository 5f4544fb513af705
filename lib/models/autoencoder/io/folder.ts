/** An autoencoder as a folder of diffusers: `config.json` and `diffusion_pytorch_model.safetensors`, ours and theirs alike. */
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { checkArguments, checkOptions } from '../../../arguments.js'
import { formatValue } from '../../../describe.js'
import { currentFile, replaceFiles } from '../../../files/atomic_folder.js'
import { type Checksums, checksumOf, DamagedFileError } from '../../../files/checksum.js'
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
import type { Parameter } from '../../../nn/parameters.js'
import { fromStored, toStored } from '../../../nn/stored_convolution.js'
import { currentDevice, type Device, parseDevice } from '../../../tensor/device.js'
import type { LatentScale } from '../../../image/latent_scale.js'
import type { Tensor } from '../../../tensor/tensor.js'
import { encoderFile, type FrozenEncoder } from '../frozen/encoder.js'
import { loadOnnxEncoder } from '../frozen/onnx_encoder.js'
import { AutoencoderNetwork } from '../network.js'
import { type AutoencoderDescription, diffusersConfig, readDiffusersConfig } from './diffusers_config.js'
import { storedNames, storedShape } from './layout.js'

const stem = 'diffusion_pytorch_model'
const weightsFile = `${stem}.safetensors`
const configFile = 'config.json'

/** An autoencoder and how its latents are scaled. */
export interface LoadedAutoencoder {
  /** The weights; to be disposed of. */
  readonly network: AutoencoderNetwork
  /** Between its latents and the values that a diffusion model reads. */
  readonly scale: LatentScale
  /** Of a representation autoencoder, what encodes its images; absent in others, whose network does. */
  readonly encoder?: FrozenEncoder | undefined
}

/** How an autoencoder's folder is read. */
export interface LoadAutoencoderOptions {
  /** bf16: f32 weights, rounded to bf16 for computing, unless `trainable` is false. */
  compute?: ComputeType
  /** Where the weights will lie and the model runs; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device
  /** False: the weights are kept as they are computed with alone, and are not trained; true by default. */
  trainable?: boolean
  /** Of a representation autoencoder, in place of the ONNX file in its folder; disposed of with the autoencoder's codec. */
  encoder?: FrozenEncoder
}

/** Where the files of an autoencoder's folder lie. */
export interface AutoencoderFiles {
  readonly config: string
  /** Of the weights, an index first where there are several. */
  readonly weights: readonly string[]
  /** Of a representation autoencoder whose encoder is not given in code. */
  readonly encoder?: string
}

/** All files of an autoencoder. */
export const filesOf = ({ config, weights, encoder }: AutoencoderFiles): readonly string[] => [
  config,
  ...weights,
  ...(encoder === undefined ? [] : [encoder]),
]

/** Whether a folder has the `config.json` of an autoencoder, ours or diffusers'. Rejects where it cannot be read. */
export async function isAutoencoder(folder: string): Promise<boolean> {
  const config: unknown = await readJson(await currentFile(folder, configFile), null)
  return typeof config === 'object' && config !== null && '_class_name' in config
}

/** The files of an autoencoder's folder, or of the one in a folder of a diffusers pipeline. Throws as `loadAutoencoder`. */
export async function autoencoderFiles(path: string): Promise<AutoencoderFiles> {
  const { folder, config } = await locate(path)
  await using weights = await openWeights(folder)
  const { encoderChecksum } = await describe({ config })
  return {
    config,
    weights: weights.files,
    ...(encoderChecksum !== undefined && { encoder: await currentFile(folder, encoderFile) }),
  }
}

/** A pipeline of diffusers has its autoencoder in `vae`, a run of ours in `model`. */
async function locate(path: string): Promise<{ folder: string; config: string }> {
  const isPipeline = await exists(join(path, 'model_index.json'))
  const isRun = !(await isAutoencoder(path)) && (await isAutoencoder(join(path, 'model')))
  const folder = isPipeline ? join(path, 'vae') : isRun ? join(path, 'model') : path
  await checkCheckpointFolder(folder)
  return { folder, config: await currentFile(folder, configFile) }
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
  checkOptions('loadAutoencoder', options, { compute: true, device: true, encoder: true, trainable: true })
  const device = parseDevice(options.device ?? currentDevice(), 'loadAutoencoder')
  const located = await locate(path)
  const { config, scale, encoderChecksum } = await describe(located)
  const encoder = config.frozenEncoder && (await openEncoder(located, encoderChecksum, options.encoder))
  const { compute = 'f32', trainable = true } = options
  const fixed = trainable ? undefined : () => compute
  const network = new AutoencoderNetwork(config, compute, device, fixed)
  try {
    await readFolderWeights(network, located.folder, (parameter, values) =>
      writeParameter(network.arena, parameter, values),
    )
    network.arena.updated()
  } catch (error) {
    network[Symbol.dispose]()
    encoder?.[Symbol.dispose]?.()
    throw error
  }
  return { network, scale, ...(encoder && { encoder }) }
}

/** The frozen encoder of a folder: `given` in code, or its ONNX file, whose checksum the config has. */
async function openEncoder(
  { folder, config }: { folder: string; config: string },
  checksum: string | undefined,
  given: FrozenEncoder | undefined,
): Promise<FrozenEncoder> {
  if (given) return given
  if (checksum === undefined)
    throw new Error(`${config}: its frozen encoder was given in code; load it with the option \`encoder\``)
  const path = await currentFile(folder, encoderFile)
  const encoder = await loadOnnxEncoder(path)
  if (encoder.checksum === checksum) return encoder
  encoder[Symbol.dispose]?.()
  throw new DamagedFileError(path, 'is not the one that the decoder was trained with', config)
}

/**
 * Reads the weights of a folder that `saveAutoencoder` wrote for a network of the same config; the function that it resolves
 * with writes them into it. `checksums`: what `saveAutoencoder` has resolved with, where that is known. Throws as
 * `loadAutoencoder`, where the config is another, and a DamagedFileError where a file is not what was saved, unless `verify`
 * is false.
 */
export async function loadAutoencoderWeights(
  { network, encoder }: Pick<LoadedAutoencoder, 'network' | 'encoder'>,
  path: string,
  { checksums, verify }: { checksums: Checksums | undefined; verify: boolean },
): Promise<() => Promise<void>> {
  const { folder, config: configPath } = await locate(path)
  if (verify && checksums)
    for (const [name, sum] of Object.entries(checksums)) {
      const file = await currentFile(folder, name)
      if ((await checksumOf(file)) !== sum)
        throw new DamagedFileError(file, 'is not as it was saved', 'training.json of the checkpoint')
    }
  const { config, scale, encoderChecksum } = await describe({ config: configPath })
  // What a config leaves out, files say.
  const stored = diffusersConfig({ config, scale, encoderChecksum })
  const own = diffusersConfig({ config: network.config, scale, encoderChecksum: encoder?.checksum })
  if (!isDeepStrictEqual(stored, own))
    throw new Error(
      `${configPath}: is of another autoencoder: ${formatValue(stored)}, expected ${formatValue(own)}`,
    )
  const read: [Parameter, ParameterValues][] = []
  await readFolderWeights(network, folder, (...parameter) => void read.push(parameter))
  return async () => {
    for (const [parameter, values] of read) await writeParameter(network.arena, parameter, values)
    network.arena.updated()
  }
}

async function readFolderWeights(
  { arena }: AutoencoderNetwork,
  folder: string,
  write: (parameter: Parameter, values: ParameterValues) => void | Promise<void>,
): Promise<void> {
  await using weights = await openWeights(folder)
  const stored = new Map(
    arena.everyParameter.map((parameter) => {
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
    await write(parameter, fromStored(data as ParameterValues, parameter))
  }
}

/**
 * Writes a folder from which diffusers and `loadAutoencoder` load the autoencoder, in place of one that it has: all or,
 * whatever happens, nothing. The weights are those at the call, even where they are trained on meanwhile. `values`: others in
 * their place, f32, as they lie in the arena. Resolves with the checksums of its files.
 */
export async function saveAutoencoder(
  folder: string,
  autoencoder: LoadedAutoencoder,
  precision: SavedPrecision = 'f32',
  values?: Tensor,
): Promise<Checksums> {
  checkArguments('saveAutoencoder', {
    folder: [folder, 'string'],
    autoencoder: [autoencoder, 'autoencoder'],
  })
  const { network, scale, encoder } = autoencoder
  const { arena, config } = network
  using frozen = arena.freeze()
  const tensors = arena.everyParameter.map((parameter): [string, PendingTensor] => [
    parameter.name,
    {
      dtype: precision,
      shape: storedShape(parameter),
      read: async () => {
        using part = arena.valuesAmong(values ?? frozen.tensor, parameter)
        return toStored(await readAs(part, precision), parameter)
      },
    },
  ])
  const checksums: Record<string, string> = {}
  await replaceFiles(folder, async (aside) => {
    // Without this word diffusers does not take the file.
    checksums[weightsFile] = await writeSafetensors(join(aside, weightsFile), new Map(tensors), {
      format: 'pt',
    })
    const path = join(aside, configFile)
    await writeJson(path, diffusersConfig({ config, scale, encoderChecksum: encoder?.checksum }))
    await encoder?.saveInto?.(aside)
    if (encoder?.checksum !== undefined) checksums[encoderFile] = encoder.checksum
    checksums[configFile] = await checksumOf(path)
  })
  return checksums
}
