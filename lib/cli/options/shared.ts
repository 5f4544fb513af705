/** Options that several commands have, each declared once. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { given } from '../../config/given.js'
import { samplerSchema } from '../../diffusion/samplers.js'
import type { LoadOptions } from '../../models/transfusion/io/folder.js'
import { type WeightKind, weightKinds } from '../../nn/weight_kinds.js'
import type { ComputeType } from '../../nn/arena.js'
import { type Device, parseDevice } from '../../tensor/device.js'
import { imageProtocols } from '../terminal/image.js'

/** For commander: the text of an option as a number. Whether it is in range is for the option's schema to say. */
export function toNumber(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value))
    throw new InvalidArgumentError(`Expected a number, received ${JSON.stringify(text)}.`)
  return value
}

/** For commander: an option that may be given several times, or with several values. */
export const toNumbers = (text: string, earlier: readonly number[] = []): number[] => [
  ...earlier,
  toNumber(text),
]

export const numberOption = (flags: string, description: string): Option =>
  new Option(flags, description).argParser(toNumber)

/** For commander: an option that may be given several times. */
const toTexts = (text: string, earlier: readonly string[] = []): string[] => [...earlier, text]

export const settingOption = (): Option =>
  new Option(
    '--set <setting>',
    'change a setting of the config, as in training.steps=50; null takes it away; may be given again',
  ).argParser(toTexts)

export const seedOption = (usual?: string): Option =>
  numberOption('--seed <number>', ['everything random follows from it', usual].filter(Boolean).join('; '))

/** For commander: a device that this build has. */
const toDevice = (name: string): Device => parseDevice(name, '--device')

export const deviceOption = (): Option =>
  new Option('--device <name>', 'where the model runs: cpu, cuda or cuda:1').argParser(toDevice)

export const precisionOption = (): Option =>
  new Option('--precision <type>', 'that the network computes in').choices(['f32', 'bf16'])

const weightsText = 'how weights are kept in memory; stored: as the folder has them'

export const weightsOption = (): Option => new Option('--weights <kind>', weightsText).choices(weightKinds)

/** How a command is to load its model, as far as the command line says. */
export interface LoadFlags {
  precision?: ComputeType
  weights?: WeightKind
  device?: Device
}

/** For commands that use one model: what they load it by. */
export const addLoadOptions = (command: Command): Command =>
  command.addOption(precisionOption()).addOption(weightsOption()).addOption(deviceOption())

export const loadOptionsOf = ({ precision, weights, device }: LoadFlags): LoadOptions =>
  given({ compute: precision, weights, device })

/** `usual`: the sampler that the command takes where none is named and the model is no flow. */
export const samplerOption = (usual = 'ddpm'): Option =>
  new Option('--sampler <name>', `how images are sampled, by default ${usual}; from a flow, euler`).choices(
    samplerSchema.options,
  )

export const stepsOption = (): Option => numberOption('--steps <number>', 'denoising steps of an image')

export const guidanceOption = (): Option =>
  numberOption('--guidance <number>', 'scale of classifier-free guidance; 1 is none')

export const showOption = (): Option =>
  new Option('--show <how>', 'how images are shown, by default what the terminal seems able to').choices(
    imageProtocols,
  )
