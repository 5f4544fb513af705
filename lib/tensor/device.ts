import { wrongArgument } from '../arguments.js'
import { native } from '../native.js'
import { openCuda } from '../native_cuda.js'
import type { CpuInfo, DeviceInfo, DeviceName, MemoryInfo } from '../native_types.js'

/** Where tensors lie and ops run, as PyTorch names it; 'cuda' is 'cuda:0'. */
export type Device = DeviceName | 'cuda'

/** Of the devices that are ready. */
const numbers = new Map<Device, number>([['cpu', 0]])

/** Names of devices, whether they are there or not. */
export const deviceNames = /^(cpu|cuda(:(0|[1-9]\d*))?)$/

const usable = (): Device[] =>
  native
    .devices()
    .filter(({ refusal }) => refusal === '')
    .map(({ name }) => name)

/** The devices that are there: 'cpu', and the GPUs that this build can use on this machine. */
export function devices(): Device[] {
  openCuda()
  return usable()
}

/** Makes a device ready. Why that fails, or nothing. */
function open(device: Device): string | undefined {
  const find = () => native.devices().findIndex(({ name }) => name === device)
  if (find() < 0) {
    const problem = openCuda()
    if (problem) return problem
  }
  const number = find()
  if (number < 0) return `the NVIDIA driver shows ${native.devices().length - 1} of them`
  try {
    native.open_device(number)
  } catch (error) {
    return (error as Error).message
  }
  numbers.set(device, number)
  return undefined
}

/** A device as the addon numbers it; the CPU, whose tensors are made by the thousand, without a look. @internal */
export const deviceNumber = (device: Device): number => (device === 'cpu' ? 0 : numbers.get(device)!)

/**
 * A device's name, in the one form that tensors have: 'cuda' becomes 'cuda:0'. `callee` is named in errors. Throws a
 * TypeError for what is no name of a device, and an Error for a device that is not there.
 */
export function parseDevice(name: unknown, callee: string): Device {
  if (name === 'cpu') return name
  if (typeof name !== 'string' || !deviceNames.test(name))
    throw wrongArgument(callee, 'device', `'cpu', 'cuda' or 'cuda:N'`, name)
  const device = name === 'cuda' ? 'cuda:0' : (name as Device)
  if (numbers.has(device)) return device
  const problem = open(device)
  if (problem === undefined) return device
  const there = usable().map((usable) => `'${usable}'`)
  throw new Error(
    `${callee}: device must be ${there.join(' or ')}, received ${JSON.stringify(name)}: ${problem}`,
  )
}

let current: Device | undefined

/** Where tensors are made whose device is not given: what `withDevice` says, else TRANSFUSION_DEVICE, else 'cpu'. */
export const currentDevice = (): Device =>
  (current ??= parseDevice(process.env['TRANSFUSION_DEVICE'] || 'cpu', 'TRANSFUSION_DEVICE'))

/**
 * Runs `body`, which must be synchronous, with `device` as the default of `empty`, `zeros`, `full` and `fromArray`. Ops
 * need none: their outputs lie where their inputs do.
 * @throws TypeError where `body` is no function, Error where it returns a promise: after its first await the default is
 *   another one
 */
export function withDevice<R>(device: Device, body: () => R): R {
  if (typeof body !== 'function') throw wrongArgument('withDevice', 'body', 'a function', body)
  const outer = current
  if (device !== current) current = parseDevice(device, 'withDevice')
  try {
    const result = body()
    if (result instanceof Promise)
      throw new Error('withDevice: body must be synchronous, received one that returned a promise')
    return result
  } finally {
    current = outer
  }
}

const numberOf = (device: Device, callee: string) => deviceNumber(parseDevice(device, callee))

/** Memory of a device: live, cached, scratch, peak and limit in bytes, and the number of tensors not freed. */
export const memory = (device = currentDevice()): MemoryInfo => native.memory(numberOf(device, 'memory'))

/**
 * Sets the limit in bytes beyond which allocation on a device throws; by default, of the CPU, 90% of what the machine or
 * its control group has. Throws a RangeError for what is no number of bytes.
 */
export function setMemoryLimit(bytes: number, device = currentDevice()): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0)
    throw new RangeError(`setMemoryLimit: bytes must be an integer of at least 0, received ${bytes}`)
  native.set_memory_limit(bytes, numberOf(device, 'setMemoryLimit'))
}

/** Gives the memory that a device's pool has cached back to the system. */
export const trimMemory = (device = currentDevice()): void =>
  native.trim_memory(numberOf(device, 'trimMemory'))

/** Resolves once everything that was enqueued on a device so far is done. */
export const fence = (device = currentDevice()): Promise<void> => native.fence(numberOf(device, 'fence'))

/**
 * Sets the number of threads of the CPU's kernels, from the next op on. No result depends on it. Throws a RangeError
 * outside of 1 to 1024.
 */
export function setThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024)
    throw new RangeError(`setThreads: threads must be an integer in 1..1024, received ${threads}`)
  native.set_threads(threads)
}

/** What a device is and can do. */
export function deviceInfo(device: 'cpu'): CpuInfo
export function deviceInfo(device?: Device): DeviceInfo
export function deviceInfo(device: Device = currentDevice()): DeviceInfo {
  return native.device_info(numberOf(device, 'deviceInfo'))
}
