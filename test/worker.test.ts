import { expect, it } from 'vitest'
import { runInWorker } from '../lib/worker.js'

const module = (code: string) => new URL(`data:text/javascript,${encodeURIComponent(code)}`)

it('returns what the module posts for its input', async () => {
  const doubled = module(
    `import { parentPort, workerData } from 'node:worker_threads'; parentPort.postMessage(2 * workerData)`,
  )
  expect(await runInWorker<number>(doubled, 21)).toBe(42)
})

it('rejects with what the module throws', async () => {
  await expect(runInWorker(module(`throw new RangeError('too far')`), 0)).rejects.toThrow(
    new RangeError('too far'),
  )
})

it('rejects where the module ends without an answer', async () => {
  await expect(runInWorker(module(''), 0)).rejects.toThrow('ended with code 0, without an answer')
})
