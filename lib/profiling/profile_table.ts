import { checkArguments } from '../arguments.js'
import type { KernelWork, ProfileReport } from './profile.js'

/** The calls of each kernel together, whatever their shapes; those that took longest first. */
export function kernelTotals(report: ProfileReport): ({ name: string } & KernelWork)[] {
  checkArguments('kernelTotals', { report: [report, 'profile'] })
  const { kernels } = report
  const totals = new Map<string, { name: string } & KernelWork>()
  for (const { name, calls, time, bytesRead, bytesWritten, flops } of kernels) {
    const total = totals.get(name) ?? { name, calls: 0, time: 0, bytesRead: 0, bytesWritten: 0, flops: 0 }
    totals.set(name, total)
    total.calls += calls
    total.time += time
    total.bytesRead += bytesRead
    total.bytesWritten += bytesWritten
    total.flops += flops
  }
  return [...totals.values()].toSorted((a, b) => b.time - a.time)
}

const heads = ['kernel', 'calls', 'ms', 'share', 'us/call', 'GFLOP/s', 'GB/s']

/**
 * A table of the kernels, a line each, those that took longest first: calls, milliseconds, share of the profile's time,
 * microseconds a call, floating-point operations and bytes of tensors per second. Below them, what the stream was
 * without kernels: idle, while JavaScript had not enqueued more, and between one kernel and the next.
 */
export function formatProfile(report: ProfileReport): string {
  checkArguments('formatProfile', { report: [report, 'profile'] })
  const { time, busy, idle } = report
  const totals = kernelTotals(report)
  const share = (part: number) => (time > 0 ? `${((100 * part) / time).toFixed(1)}%` : '')
  const rate = (amount: number, milliseconds: number, digits: number) =>
    amount > 0 && milliseconds > 0 ? (amount / milliseconds / 1e6).toFixed(digits) : ''
  const calls = totals.reduce((sum, total) => sum + total.calls, 0)
  const rows = [
    heads,
    ...totals.map((total) => [
      total.name,
      String(total.calls),
      total.time.toFixed(1),
      share(total.time),
      ((1000 * total.time) / total.calls).toFixed(1),
      rate(total.flops, total.time, 1),
      rate(total.bytesRead + total.bytesWritten, total.time, 2),
    ]),
    ['all kernels', String(calls), busy.toFixed(1), share(busy)],
    ['idle', '', idle.toFixed(1), share(idle)],
    ['between kernels', '', (time - busy - idle).toFixed(1), share(time - busy - idle)],
  ]
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
