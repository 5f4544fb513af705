import { wrongArgument } from '../arguments.js'
import { native } from '../native.js'
import type { DeviceInfo, MemoryInfo } from '../native_types.js'

/** Where tensors lie and ops run, as PyTorch names it; 'cuda' is 'cuda:0'. This build has 'cpu' alone. */
export type Device = 'cpu' | 'cuda' | `cuda:${number}`

/**
 * A device's name, in the one form that tensors have: 'cuda' becomes 'cuda:0'. `callee` is named in errors. Throws a
 * TypeError for what is no name of a device, and an Error for a device that is not there.
 */
export function parseDevice(name: unknown, callee: string): Device {
  if (name === 'cpu') return name
  if (typeof name !== 'string' || !/^cuda(:(0|[1-9]\d*))?$/.test(name))
    throw wrongArgument(callee, 'device', `'cpu', 'cuda' or 'cuda:N'`, name)
  throw new Error(
    `${callee}: device must be 'cpu', received ${JSON.stringify(name)}: this build has no CUDA backend`,
  )
}

let current: Device = 'cpu'

/** Where tensors are made whose device is not given: 'cpu', or what `withDevice` says. */
export const currentDevice = (): Device => current

/**
 * Runs `body`, which must be synchronous, with `device` as the default of `empty`, `zeros`, `full` and `fromArray`. Ops
 * need none: their outputs lie where their inputs do.
 */
export function withDevice<R>(device: Device, body: () => R): R {
  if (device === current) return body()
  const outer = current
  current = parseDevice(device, 'withDevice')
  try {
    return body()
  } finally {
    current = outer
  }
}

/** Native memory: live, cached, peak and limit in bytes, and the number of tensors not freed. */
export const memory = (): MemoryInfo => native.memory()

/**
 * Sets the limit in bytes beyond which allocation throws; by default 90% of what the machine or its control group has.
 * Throws a RangeError for what is no number of bytes.
 */
export function setMemoryLimit(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0)
    throw new RangeError(`setMemoryLimit: a whole number of bytes is needed, received ${bytes}`)
  native.set_memory_limit(bytes)
}

/** Gives cached memory back to the system. */
export const trimMemory = (): void => native.trim_memory()

/** Resolves once everything enqueued so far has run. */
export const fence = (): Promise<void> => native.fence()

/** Threads of the kernels, from the next op on. No result depends on it. */
export function setThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024)
    throw new RangeError(`setThreads: 1 to 1024 threads, received ${threads}`)
  native.set_threads(threads)
}

/** What the device is and can do. */
export const deviceInfo = (): DeviceInfo => native.device_info()
