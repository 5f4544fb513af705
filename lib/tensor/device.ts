import { native } from '../native.js'
import type { DeviceInfo, MemoryInfo } from '../native_types.js'

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
