// Threads and processes that end while a GPU works for them: with their own code, without a crash, soon.
import { expect, it } from 'vitest'
import { runProgram } from './program.js'

const busy = `
  const x = made(64, 64), y = made(64, 64)
  for (let i = 0; i < 500; i++) { native.add(y, x, x); native.upload(x, new Float32Array(4096)); native.read(y) }`

it.each([
  ['process.exit', 'process.exit(7)', 7],
  ['process.exit a little later', 'setTimeout(() => process.exit(7), 20)', 7],
  ['process.reallyExit', 'setTimeout(() => process.reallyExit(7), 20)', 7],
  ['an uncaught error', `setTimeout(() => { throw new Error('mine') }, 20)`, 1],
  ['its own end', 'process.exitCode = 5', 5],
])('ends the process by %s', async (_, end, code) => {
  const ended = await runProgram(`${busy}\n${end}`)
  expect({ code: ended.code, signal: ended.signal }).toEqual({ code, signal: null })
})

/** The program in threads, each of which opens the device itself. */
const inWorkers = (count: number, after: string) => `
  const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')
  if (isMainThread) {
    for (let i = 0; i < ${count}; i++) {
      const worker = new Worker(process._eval, { eval: true, workerData: i })
      worker.once('message', (sum) => { console.log(sum); ${after} })
    }
  } else {
    const x = native.create(0, [1000], 1), y = native.create(0, [1000], 1)
    native.fill(x, workerData)
    native.add(y, x, x)
    native.read(y).then((bytes) => {
      parentPort.postMessage(new Float32Array(bytes).every((value) => value === 2 * workerData))
      ${busy}
    })
  }`

it.each([
  ['end by themselves', ''],
  ['are terminated', 'worker.terminate()'],
])('serves threads that %s', async (_, after) => {
  const { stdout, code, stderr } = await runProgram(inWorkers(4, after))
  expect({ stdout, code, stderr }).toEqual({ stdout: 'true\n'.repeat(4), code: 0, stderr: '' })
})

it('takes no memory from the threads that come after', async () => {
  const { stdout } = await runProgram(`
    const { Worker, isMainThread } = require('node:worker_threads')
    if (isMainThread) {
      const run = (left) => {
        if (left === 0) {
          native.trim_memory(1)
          return native.fence(1).then(() => console.log(native.memory(1).live, native.memory(1).cached))
        }
        new Worker(process._eval, { eval: true }).once('exit', () => run(left - 1))
      }
      run(5)
    } else native.read(made(1000))`)
  expect(stdout).toBe('0 0\n')
})
