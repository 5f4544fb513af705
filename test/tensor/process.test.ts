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

/** Runs a script in a Node of its own; resolves with how it ended and what it printed. */
async function runNode(script: string) {
  const started = performance.now()
  const child = spawn(process.execPath, ['--input-type=commonjs', '--eval', prelude + script], {
    timeout: 20_000,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = await new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  )
  return { ...ended, output: output.trim(), seconds: (performance.now() - started) / 1000 }
}

test('a process lives as long as a read is awaited', async () => {
  const run = await runNode(`
    multiply(4)
    native.read(y).then((bytes) => console.log(new Float32Array(bytes)[0]))`)
  expect(run).toMatchObject({ code: 0, signal: null, output: '1024' })
})

// A hundred seconds of work, were it to run.
test.each([
  ['ends when nothing is awaited', ''],
  ['ends at process.exit', 'native.read(y); process.exit(0)'],
  ['ends at an exit within a callback', 'setTimeout(() => process.exit(0), 100); native.read(y)'],
])('a process with work queued %s', async (_, ending) => {
  const run = await runNode(`multiply(5000); ${ending}`)
  expect(run).toMatchObject({ code: 0, signal: null, output: '' })
  expect(run.seconds).toBeLessThan(10)
})

test('an uncaught rejection of a failed kernel ends the process with its message', async () => {
  const run = await runNode(`
    const ids = native.create(2, [1]), rows = native.create(0, [1, size])
    native.upload(ids, Int32Array.of(size))
    native.embedding(rows, x, ids)
    native.read(rows)`)
  expect(run.code).toBe(1)
  expect(run.output).toContain('embedding: ids[0] = 1024')
})

test('workers that end with work queued disturb no one, and give their memory back', async () => {
  const run = await runNode(`
    const { Worker } = require('node:worker_threads')
    const work = ${JSON.stringify(prelude)} + "multiply(5000); native.read(y); require('node:worker_threads').parentPort.postMessage('queued')"
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
  expect(run.seconds).toBeLessThan(15)
})

test('workers that are terminated within native calls take no one with them', async () => {
  const run = await runNode(`
    const { Worker } = require('node:worker_threads')
    const work = ${JSON.stringify(prelude)} + \`
      require('node:worker_threads').parentPort.postMessage('begun')
      while (true) native.release(native.create(0, [4, 4]))\`
    const terminate = () => new Promise((resolve, reject) => {
      const worker = new Worker(work, { eval: true })
      worker.on('message', () => setTimeout(() => worker.terminate(), 5)).on('error', reject).on('exit', resolve)
    })
    const main = async () => {
      for (let i = 0; i < 5; i++) await terminate()
      native.read(x).then((bytes) => console.log(new Float32Array(bytes)[7]))
    }
    main()`)
  expect(run).toMatchObject({ code: 0, signal: null, output: '1' })
})
