import { wrongArgument } from '../arguments.js'
import { native } from '../native.js'
import type { DeviceInfo, DeviceName, MemoryInfo } from '../native_types.js'

/** Where tensors lie and ops run, as PyTorch names it; 'cuda' is 'cuda:0'. This build has 'cpu' alone. */
export type Device = DeviceName | 'cuda'

const numbers: ReadonlyMap<Device, number> = new Map(native.devices().map((name, number) => [name, number]))

/** Names of devices, whether they are there or not. */
export const deviceNames = /^(cpu|cuda(:(0|[1-9]\d*))?)$/

/** The devices that are there: 'cpu', and what else this build can use on this machine. */
export const devices = (): Device[] => [...numbers.keys()]

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
  throw new Error(
    `${callee}: device must be ${devices()
      .map((there) => `'${there}'`)
      .join(' or ')}, received ${JSON.stringify(name)}: this build has no CUDA backend`,
  )
}

let current: Device = 'cpu'

/** Where tensors are made whose device is not given: 'cpu', or what `withDevice` says. */
export const currentDevice = (): Device => current

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

/** Memory of a device: live, cached, peak and limit in bytes, and the number of tensors not freed. */
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
export const deviceInfo = (device = currentDevice()): DeviceInfo =>
  native.device_info(numberOf(device, 'deviceInfo'))
