import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { native } from '../../lib/native.js'
import { version } from '../../lib/version.js'

/** That of the tests: a build with sanitizers, where these run with them. */
export const library =
  process.env['TRANSFUSION_CUDA_LIBRARY'] ??
  fileURLToPath(new URL('../../build/cuda/libtransfusion_cuda.so', import.meta.url))

// The binary that `native` was loaded from, wherever it lies.
const { cache } = createRequire(import.meta.url)
const addon = Object.keys(cache).find((path) => cache[path]!.exports === native)!

/** Loads the addon as `native`, with `problem`: why CUDA is not there. */
const prelude = `
  const native = require(${JSON.stringify(addon)})
  const problem = native.open_cuda(
    process.env.TRANSFUSION_CUDA_LIBRARY, ${JSON.stringify(version)}, process.env.TRANSFUSION_CUDA_DRIVER)`

/** `prelude`, and the first GPU as device 1; `made` makes a tensor of ones there. */
const opened = `${prelude}
  if (problem) throw new Error(problem)
  native.open_device(1)
  const made = (...shape) => { const x = native.create(0, shape, 1); native.fill(x, 1); return x }`

export interface Ended {
  code: number | string | null
  signal: string | null
  stdout: string
  stderr: string
}

/** Runs a program in a process of its own that is killed after a minute. */
export function runProgram(
  code: string,
  { env = {}, open = true }: { env?: Record<string, string>; open?: boolean } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = {
      env: { ...process.env, NODE_OPTIONS: '', TRANSFUSION_CUDA_LIBRARY: library, ...env },
      timeout: 60_000,
      killSignal: 'SIGKILL',
    } as const
    const program = `${open ? opened : prelude}\n${code}`
    execFile(process.execPath, ['-e', program], options, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? null) : 0, signal: error?.signal ?? null, stdout, stderr }),
    )
  })
}
