import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { native } from '../../lib/native.js'

// The binary that `native` was loaded from, wherever it lies.
const { cache } = createRequire(import.meta.url)
const addon = Object.keys(cache).find((path) => cache[path]!.exports === native)!

/** Defines `native`, a large product `multiply`, and what runs when the event loop is empty. */
const prelude = `
  const native = require(${JSON.stringify(addon)})
  const size = 1024
  const x = native.create(0, [size, size]), y = native.create(0, [size, size])
  native.fill(x, 1)
  const multiply = (times) => { while (times--) native.matmul(y, x, x, undefined, false, false) }
`

/** Runs a script in a Node of its own, for a minute at most; resolves with how it ended and what it printed. */
async function runNode(script: string) {
  const child = spawn(process.execPath, ['--input-type=commonjs', '--eval', prelude + script], {
    timeout: 60_000,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = await new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  )
  return { ...ended, output: output.trim() }
}

test('a process lives as long as a read is awaited', async () => {
  const run = await runNode(`
    multiply(4)
    native.read(y).then((bytes) => console.log(new Float32Array(bytes)[0]))`)
  expect(run).toMatchObject({ code: 0, signal: null, output: '1024' })
})

// Minutes of work, were it to run: longer than runNode waits.
test.each([
  ['ends when nothing is awaited', ''],
  ['ends at process.exit', 'native.read(y); process.exit(0)'],
  ['ends at an exit within a callback', 'setTimeout(() => process.exit(0), 100); native.read(y)'],
])('a process with work queued %s', async (_, ending) => {
  const run = await runNode(`multiply(20_000); ${ending}`)
  expect(run).toMatchObject({ code: 0, signal: null, output: '' })
})

test('an uncaught rejection of a failed kernel ends the process with its message', async () => {
  const run = await runNode(`
    const ids = native.create(2, [1]), rows = native.create(0, [1, size])
    native.upload(ids, Int32Array.of(size))
    native.embedding(rows, x, ids)
    native.read(rows)`)
  expect(run.code).toBe(1)
  expect(run.output).toContain('embedding: ids[0] must be -1 or in')
})

test('workers that end with work queued disturb no one, and give their memory back', async () => {
  const run = await runNode(`
    const { Worker } = require('node:worker_threads')
    const work = ${JSON.stringify(prelude)} + "multiply(20_000); native.read(y); require('node:worker_threads').parentPort.postMessage('queued')"
    const runWorker = (end) => new Promise((resolve, reject) => {
      const worker = new Worker(work + (end === 'exit' ? '; process.exit()' : ''), { eval: true })
      worker.on('error', reject).on('exit', resolve)
      if (end === 'terminate') worker.on('message', () => worker.terminate())
    })
    const main = async () => {
      multiply(1)
      await native.read(y)
      const { live, tensors } = native.memory()
      for (const end of ['terminate', 'exit', 'terminate']) {
        const ended = runWorker(end)
        native.fill(y, 0)
        multiply(1)
        await ended
        console.log(new Float32Array(await native.read(y))[7])
      }
      const after = native.memory()
      console.log(after.live === live, after.tensors === tensors)
    }
    main()`)
  expect(run).toMatchObject({ code: 0, signal: null, output: '1024\n1024\n1024\ntrue true' })
})

/** Defines `start(i)`: a worker that multiplies and reads without end; resolves once it does. */
const busyWorkers = `
  const { Worker } = require('node:worker_threads')
  const busy = ${JSON.stringify(`${prelude}
    const work = async () => {
      multiply(2)
      await native.read(y)
      require('node:worker_threads').parentPort.postMessage('working')
      for (;;) { multiply(2); await Promise.all([native.read(y), native.fence(), native.read(x)]) }
    }
    work()`)}
  const start = () => new Promise((resolve, reject) => {
    const worker = new Worker(busy, { eval: true })
    worker.on('error', reject).once('message', () => resolve(worker))
  })
  const after = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
`

test('several workers at once are terminated at any moment, while their kernels run', async () => {
  const run = await runNode(`${busyWorkers}
    const main = async () => {
      multiply(1)
      await native.read(y)
      const { live, tensors } = native.memory()
      for (let round = 0; round < 5; round++) {
        const workers = await Promise.all([start(), start(), start()])
        multiply(1)
        await Promise.all(workers.map((worker, i) => after((round * 7 + i * 11) % 30).then(() => worker.terminate())))
        console.log(new Float32Array(await native.read(y))[7])
      }
      const ended = native.memory()
      console.log(ended.live === live, ended.tensors === tensors)
    }
    main()`)
  expect(run).toMatchObject({ code: 0, signal: null, output: `${'1024\n'.repeat(5)}true true` })
})

// Calls of Node-API fail there, and so does throwing their errors.
test('workers are terminated within native calls', async () => {
  const calls = `${prelude}
    require('node:worker_threads').parentPort.postMessage('working')
    const turn = () => {
      for (const until = Date.now() + 3; Date.now() < until; ) {
        const h = native.create(0, [2, 2]), v = native.view(h, 0, 0, [4])
        native.fill(h, 1)
        native.add(h, h, h)
        native.upload(h, new Float32Array(4))
        native.read(v)
        try { native.create(0, [-1]) } catch {}
        native.release(v)
        native.release(h)
      }
      setImmediate(turn)
    }
    turn()`
  const run = await runNode(`
    const { Worker } = require('node:worker_threads')
    const end = (delay) => new Promise((resolve, reject) => {
      const worker = new Worker(${JSON.stringify(calls)}, { eval: true })
      worker.on('error', reject).on('exit', resolve).once('message', () => setTimeout(() => worker.terminate(), delay))
    })
    const main = async () => {
      for (let i = 0; i < 20; i++) await Promise.all([end((i * 3) % 8), end((i * 5) % 8)])
      console.log(native.memory().tensors)
    }
    main()`)
  expect(run).toMatchObject({ code: 0, signal: null, output: '2' })
})

test.each([0, 3, 10, 25])('process.exit %i ms after two workers got to work ends at once', async (delay) => {
  const run = await runNode(`${busyWorkers}
    Promise.all([start(), start()]).then(() => after(${delay})).then(() => { multiply(3); native.read(y); process.exit(0) })`)
  expect(run).toMatchObject({ code: 0, signal: null, output: '' })
})
