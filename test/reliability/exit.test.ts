// The process ends at any moment, while kernels run: with its own code, without a crash, soon.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'

// The binary that `native` was loaded from, wherever it lies.
const { cache } = createRequire(import.meta.url)
const addon = Object.keys(cache).find((path) => cache[path]!.exports === native)!

/** Loads the addon and queues minutes of products, convolutions and reads, of which each takes milliseconds. */
const busy = `
  const native = require(${JSON.stringify(addon)})
  const made = (...shape) => { const x = native.create(0, shape); native.fill(x, 1); return x }
  const [x, y] = [made(500, 500), made(500, 500)]
  const [image, weight, result] = [made(4, 48, 48, 32), made(32, 3, 3, 32), made(4, 48, 48, 32)]
  native.read(y)
  for (let i = 0; i < 5000; i++) {
    native.matmul(y, x, x, undefined, false, false)
    native.softmax(y, x)
    native.conv2d(result, image, weight, undefined, undefined, 1, 1, 1)
  }
  native.read(y)
`
const worker = (code: string) =>
  `new (require('node:worker_threads').Worker)(${JSON.stringify(code)}, { eval: true });`
const later = (milliseconds: number, code: string) => `setTimeout(() => { ${code} }, ${milliseconds})`
const deaf = 'process.removeAllListeners()'

/** Each way to end, as a program that does so after a time, and how the process ends then. */
const endings: [name: string, end: number | string, program: (delay: number) => string][] = [
  ['process.exit without listeners', 7, (delay) => busy + later(delay, `${deaf}; process.exit(7)`)],
  ['process.reallyExit', 7, (delay) => busy + later(delay, 'process.reallyExit(7)')],
  [
    'process.exit from the call that queued it',
    7,
    (delay) =>
      `${busy}; ${deaf}; for (const end = Date.now() + ${delay}; Date.now() < end; ); process.exit(7)`,
  ],
  [
    'a listener of the exit that throws',
    3,
    (delay) =>
      `process.on('exit', () => { throw new Error('mine') }); ${busy}; ${later(delay, 'process.exit(3)')}`,
  ],
  ['an uncaught exception', 1, (delay) => busy + later(delay, `${deaf}; throw new Error('mine')`)],
  ['a rejection', 1, (delay) => busy + later(delay, `${deaf}; Promise.reject(new Error('mine'))`)],
  ['SIGTERM', 'SIGTERM', (delay) => busy + later(delay, `process.kill(process.pid, 'SIGTERM')`)],
  [
    'its own end',
    5,
    (delay) => `${busy.replaceAll('native.read(y)', '')}; process.exitCode = 5; ${deaf}; ${later(delay, '')}`,
  ],
  [
    'process.exit in uploads and reads',
    7,
    (delay) => `${busy}
      const turn = () => { for (let i = 0; i < 20; i++) { native.upload(x, new Float32Array(250000)); native.read(x) } setImmediate(turn) }
      turn(); ${deaf}; ${later(delay, 'process.exit(7)')}`,
  ],
  [
    'a worker, the only one that loaded it',
    7,
    (delay) => worker(busy) + later(80 + delay, 'process.exit(7)'),
  ],
  [
    'two workers beside the main thread',
    7,
    (delay) => `${busy}; ${worker(busy)} ${worker(busy)} ${deaf}; ${later(60 + delay, 'process.exit(7)')}`,
  ],
  [
    'a worker that is terminated at that moment',
    7,
    (delay) => `const it = ${worker(busy)} ${later(80 + delay, 'it.terminate(); process.exit(7)')}`,
  ],
  [
    'a worker that was terminated',
    7,
    (delay) =>
      `const it = ${worker(busy)} ${later(80 + delay, `it.terminate().then(() => setTimeout(() => process.exit(7), ${delay}))`)}`,
  ],
]

/** Runs a program; resolves with its exit code or the signal that ended it. */
const endOf = (program: string): Promise<number | string | null> =>
  new Promise((resolve) =>
    // Far beyond what it takes to end, far before what is queued would be done.
    spawn(process.execPath, ['--eval', program], { stdio: 'ignore', timeout: 60_000 }).on(
      'close',
      (code, signal) => resolve(code ?? signal),
    ),
  )

describe.each(endings)('%s', (_, end, program) => {
  it(`ends with ${end}, whenever it comes`, async () => {
    const ends = await Promise.all([0, 3, 7, 15, 40].map((delay) => endOf(program(delay))))
    expect(ends).toEqual(Array(5).fill(end))
  })
})
