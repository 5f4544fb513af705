// What the machine can do at best, measured in the bench's own process: the figures that results are a share of.
import { cpus, loadavg } from 'node:os'
import { deviceInfo, fence, full, memory, scope, sum, trimMemory } from '../../dist/entry/tensor.js'
import { measureMatmulRate } from '../../dist/reporting/matmul_rate.js'
import { currentDevice } from '../../dist/tensor/device.js'
import { bestOf } from './turns.mjs'

/** Far beyond any cache, in bytes. */
const readBytes = 2 ** 28

/**
 * Bytes per second that all threads together read: the best of ten sums over 256 MiB of f32, an op that reads each value
 * once and writes next to nothing.
 */
export async function measureReadBandwidth() {
  const x = full([readBytes / 4], 1)
  const read = async () => {
    const y = scope(() => sum(x))
    await fence()
    y.free()
  }
  const seconds = await bestOf(read, 10)
  x.free()
  trimMemory()
  return readBytes / seconds
}

/** Whether the subject computes on the CPU, whose limits are measured beside it. */
export const onCpu = () => currentDevice() === 'cpu'

/** The CPU's rate; of a GPU undefined. */
export const rateOf = async (compute) => (onCpu() ? measureMatmulRate(compute) : undefined)

/** In bytes: of the process, on a GPU of its tensors. */
export const peakMemory = () =>
  onCpu() ? process.resourceUsage().maxRSS * 1024 : memory(currentDevice()).peak

/** Of the process, in bytes, now. */
export const residentMemory = () => process.memoryUsage.rss()

/** How many processes want a processor, as the system counts them over the last minute. */
export const load = () => loadavg()[0]

/** Beyond it others were at work beside the bench, whose own two threads come to 1 or 2 in a while: figures are rough. */
const sharedLoad = 1.5

/** `load` before a bench begins, in words. */
export const describeLoad = (load) =>
  `load ${load.toFixed(2)}${load > sharedLoad ? ': a shared machine, figures are rough' : ''}`

/** CPU, threads, rates in FLOP/s and bandwidth in bytes/s. */
export async function measureLimits() {
  const { processors, simd } = deviceInfo()
  return {
    cpu: cpus()[0].model,
    threads: processors,
    simd,
    load: load(),
    rate: { f32: await measureMatmulRate('f32'), bf16: await measureMatmulRate('bf16') },
    readBandwidth: await measureReadBandwidth(),
  }
}

/** Limits as a bench prints them above its results. */
export function describeLimits({ cpu, threads, simd, load, rate, readBandwidth }) {
  const giga = (value) => (value / 1e9).toFixed(0)
  return [
    `${cpu}, ${threads} threads, ${simd}; ${describeLoad(load)}`,
    `matrix products of 1024: ${giga(rate.f32)} GFLOP/s f32, ${giga(rate.bf16)} bf16; ` +
      `reading 256 MiB (sum): ${(readBandwidth / 1e9).toFixed(1)} GB/s`,
  ].join('\n')
}
