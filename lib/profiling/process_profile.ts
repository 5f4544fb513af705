import { closeSync, openSync, writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { startProfile } from './profile.js'
import { formatProfile } from './profile_table.js'
import { traceText } from './trace.js'

/** Of a trace: enough for minutes of training, and as much as viewers open. */
const tracedCalls = 500_000

/** What a process leaves behind at its end. */
export interface ProcessProfileOptions {
  /** A table of the kernels on standard error. */
  table: boolean
  /** A file for a Chrome trace of the first 500,000 calls. */
  trace?: string | undefined
}

/**
 * Profiles the process from now to its end, where the table is printed and the trace written. The file is opened at
 * once: throws where that fails. A signal that nothing handles ends a process without either.
 */
export function profileProcess({ table, trace }: ProcessProfileOptions): void {
  if (!table && trace === undefined) return
  const file = trace === undefined ? undefined : openTrace(trace)
  const profile = startProfile({ spans: file === undefined ? 0 : tracedCalls })
  process.once('exit', () => {
    const report = profile.stopNow()
    if (table) process.stderr.write(`${formatProfile(report)}\n`)
    if (file === undefined) return
    for (const piece of traceText(report)) writeSync(file, piece)
    closeSync(file)
    if (report.spansLeftOut > 0)
      process.stderr.write(
        `${trace}: the first ${tracedCalls} calls, without ${report.spansLeftOut} after them\n`,
      )
  })
}

function openTrace(path: string): number {
  try {
    return openSync(path, 'w')
  } catch (error) {
    throw new Error(`the trace cannot be written: ${(error as Error).message}`, { cause: error })
  }
}

/** What TRANSFUSION_PROFILE=1 and TRANSFUSION_TRACE=FILE ask for; nothing in a worker, whose process does. */
export function profileOptionsOf(environment: NodeJS.ProcessEnv): ProcessProfileOptions {
  if (!isMainThread) return { table: false }
  return {
    table: ![undefined, '', '0'].includes(environment['TRANSFUSION_PROFILE']),
    trace: environment['TRANSFUSION_TRACE'] || undefined,
  }
}
