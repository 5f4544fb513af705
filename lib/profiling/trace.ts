import { writeFile } from 'node:fs/promises'
import { checkArguments } from '../arguments.js'
import { formatShape } from '../tensor/shape.js'
import type { KernelProfile, KernelSpan, ProfileReport } from './profile.js'

const thread = 1

/**
 * The text of a Chrome trace, in pieces: for chrome://tracing or https://ui.perfetto.dev. Each call of a kernel is a
 * span on one thread, the stream's, with its tensors' dtypes and shapes, bytes and floating-point operations.
 */
export function* traceText(report: ProfileReport): Generator<string, void, undefined> {
  const named = (name: string, value: string) =>
    JSON.stringify({ ph: 'M', name, pid: process.pid, tid: thread, args: { name: value } })
  yield `{"displayTimeUnit":"ms","otherData":${JSON.stringify({ callsLeftOut: report.spansLeftOut })},"traceEvents":[\n`
  yield `${named('process_name', 'transfusion-js')},\n${named('thread_name', 'kernels')}`
  let piece = ''
  for (const span of report.spans) {
    piece += `,\n${spanText(span)}`
    if (piece.length < 1 << 16) continue
    yield piece
    piece = ''
  }
  yield `${piece}\n]}\n`
}

function spanText({ kernel, start, time }: KernelSpan): string {
  const [ts, dur] = [start, time].map((milliseconds) => Number((1000 * milliseconds).toFixed(3)))
  return JSON.stringify({
    ph: 'X',
    name: kernel.name,
    pid: process.pid,
    tid: thread,
    ts,
    dur,
    args: argsOf(kernel),
  })
}

/** What is shown of a span: of each tensor "f32 [2, 3]", and the work of one call. */
function argsOf({ tensors, calls, bytesRead, bytesWritten, flops }: KernelProfile): Record<string, unknown> {
  const args: Record<string, unknown> = {}
  for (const { name, dtype, shape } of tensors) {
    const text = `${dtype} ${formatShape(shape)}`
    args[name] = name in args ? `${String(args[name])}, ${text}` : text
  }
  return { ...args, bytes: (bytesRead + bytesWritten) / calls, ...(flops > 0 && { flops: flops / calls }) }
}

/** Writes a Chrome trace of the calls that a profile kept: see `traceText`. */
export async function writeTrace(path: string, report: ProfileReport): Promise<void> {
  checkArguments('writeTrace', { path: [path, 'string'], report: [report, 'profile'] })
  await writeFile(path, traceText(report))
}
