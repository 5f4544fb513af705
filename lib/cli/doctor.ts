import { cpus } from 'node:os'
import { basename } from 'node:path'
import { Command } from 'commander'
import { SafetensorsFolder } from '../files/safetensors/safetensors_folder.js'
import { elementCount } from '../files/safetensors/safetensors_header.js'
import { locateModel } from '../models/transfusion/io/locate.js'
import { native } from '../native.js'
import { openCuda } from '../native_cuda.js'
import type { CpuInfo, DeviceName, GpuInfo } from '../native_types.js'
import { formatBytes, formatCount } from '../reporting/report/numbers.js'
import { deviceInfo, memory, parseDevice } from '../tensor/device.js'
import { version } from '../version.js'
import { say } from './terminal/output.js'

/** Bytes of a parameter: of weights while a model generates, and of all that AdamW trains it with. */
const bytesOf = {
  'generating in f32': 4,
  'generating in bf16': 2,
  // Weights, gradients and two moments in f32, and weights in bf16.
  'training in bf16': 4 * 4 + 2,
} as const

/** A device as `transfusion doctor` sees it. */
interface Device {
  name: DeviceName
  /** Why it cannot be used. */
  problem?: string
  info?: CpuInfo | GpuInfo
  /** Bytes that tensors may take. */
  memory?: number
}

/** What `transfusion doctor` finds; `--json` prints it. */
interface Diagnosis {
  version: string | undefined
  node: string
  platform: string
  processor: string
  /** Shared libraries of the addon's kernels that are loaded. */
  libraries: string[]
  devices: Device[]
  /** Why there are no GPUs: the CUDA backend or the driver is missing. */
  cuda?: string
  /** The device of what names none, and why. */
  default: { device: string; reason: string; problem?: string }
  models: { folder: string; parameters?: number; problem?: string }[]
}

export const doctorCommand = (): Command =>
  new Command('doctor')
    .description('say what this machine has, what models run on, and what is missing for more')
    .argument(
      '[models...]',
      'model folders, runs or Hugging Face checkpoints: where there is memory for them',
    )
    .option('--json', 'print it as one JSON object')
    .addHelpText(
      'after',
      '\nThe exit code is 1 where the device that TRANSFUSION_DEVICE names cannot be used, or a model cannot be read.\n' +
        '\nExamples:\n  transfusion doctor runs/demo/model\n  transfusion doctor --json',
    )
    .action(doctor)

/** `transfusion doctor [MODEL...]`: devices, memory, libraries; and why what is missing is. */
export async function doctor(folders: readonly string[], { json }: { json?: true }): Promise<void> {
  const found = await diagnose(folders)
  if (json) say(JSON.stringify(found, null, 2))
  else for (const line of linesOf(found)) say(line)
  if (found.default.problem !== undefined || found.models.some(({ problem }) => problem !== undefined))
    process.exitCode = 1
}

async function diagnose(folders: readonly string[]): Promise<Diagnosis> {
  const cuda = openCuda()
  const devices = native.devices().map(({ name, refusal }) => openDevice(name, refusal))
  return {
    version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    libraries: loadedLibraries(),
    devices,
    ...(cuda !== undefined && { cuda }),
    default: defaultDevice(),
    models: await Promise.all(folders.map(readModel)),
  }
}

function openDevice(name: DeviceName, refusal: string): Device {
  if (refusal) return { name, problem: refusal }
  try {
    const device = parseDevice(name, 'doctor')
    return { name, info: deviceInfo(device), memory: memory(device).limit }
  } catch (error) {
    return { name, problem: (error as Error).message }
  }
}

function defaultDevice(): Diagnosis['default'] {
  const wanted = process.env['TRANSFUSION_DEVICE']
  if (!wanted) return { device: 'cpu', reason: 'TRANSFUSION_DEVICE is not set' }
  const reason = 'TRANSFUSION_DEVICE says so'
  try {
    return { device: parseDevice(wanted, 'TRANSFUSION_DEVICE'), reason }
  } catch (error) {
    return { device: wanted, reason, problem: (error as Error).message }
  }
}

/** The libraries that kernels are linked with, as the system's loader found them. */
function loadedLibraries(): string[] {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] }
  return sharedObjects.filter((path) => /^lib(dnnl|hwy|gomp|cuda|transfusion_cuda)\b/.test(basename(path)))
}

async function readModel(folder: string): Promise<Diagnosis['models'][number]> {
  try {
    await using weights = await SafetensorsFolder.open((await locateModel(folder)).folder)
    const counts = Array.from(weights.names, (name) => elementCount(weights.entry(name)!.shape))
    return { folder, parameters: counts.reduce((sum, count) => sum + count, 0) }
  } catch (error) {
    return { folder, problem: (error as Error).message }
  }
}

function* linesOf(found: Diagnosis): Generator<string> {
  yield `transfusion-js ${found.version}, Node ${found.node}, ${found.platform}`
  for (const device of found.devices) {
    yield ''
    yield* linesOfDevice(device, found.processor)
  }
  if (found.cuda !== undefined) {
    yield ''
    yield `cuda: none, ${found.cuda}`
  }
  yield ''
  yield `libraries: ${found.libraries.join(', ')}`
  const { device, reason, problem } = found.default
  yield `what names no device runs on ${device}: ${reason}${problem === undefined ? '' : `, but ${problem}`}`
  for (const model of found.models) {
    yield ''
    yield* linesOfModel(model, found.devices)
  }
}

function* linesOfDevice({ name, problem, info, memory }: Device, processor: string): Generator<string> {
  if (info === undefined) {
    yield `${name}: not usable, ${problem}`
    return
  }
  yield `${name}: ${'name' in info ? info.name : processor}`
  if ('simd' in info) {
    yield `  kernels: ${info.simd}, on ${formatCount(info.processors, 'processor')}`
    yield `  bf16 products: ${info.nativeBf16 ? 'in hardware' : 'by f32, for lack of instructions'}`
  } else {
    yield `  kernels: ${info.kernels}; compute capability ${info.computeCapability}, ${formatCount(info.multiprocessors, 'multiprocessor')}`
    yield `  driver: of CUDA ${info.driver}`
    yield `  cuBLASLt: ${info.cublaslt ? `${info.cublaslt}, ${info.cublasltPlace}` : `none, ${info.cublasltPlace}`}`
  }
  yield `  memory: tensors may take ${formatBytes(memory!)}`
}

function* linesOfModel(
  { folder, parameters, problem }: Diagnosis['models'][number],
  devices: readonly Device[],
): Generator<string> {
  if (parameters === undefined) {
    yield problem!
    return
  }
  yield `${folder}: ${formatCount(parameters, 'parameter')}`
  for (const [work, bytes] of Object.entries(bytesOf)) {
    const needed = parameters * bytes
    const places = devices.filter(({ memory = 0 }) => memory > needed).map(({ name }) => name)
    yield `  ${work}: ${formatBytes(needed)} and what is computed with: ${places.length > 0 ? places.join(', ') : 'no device has as much'}`
  }
}
