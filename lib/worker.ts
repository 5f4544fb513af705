import { Worker } from 'node:worker_threads'

/**
 * Starts a module in a thread of its own, with `input` as its workerData. Options of the process are not handed on:
 * some, --input-type say, no worker takes.
 */
export const startWorker = (module: URL, input: unknown): Worker =>
  new Worker(module, { workerData: input, execArgv: [] })

/** Starts a module that posts one message, and returns it. Rejects with what the module throws. */
export function runInWorker<Output>(module: URL, input: unknown): Promise<Output> {
  return new Promise((resolve, reject) => {
    startWorker(module, input)
      .once('message', resolve)
      .once('error', reject)
      .once('exit', (code) =>
        reject(new Error(`${module.pathname} ended with code ${code}, without an answer`)),
      )
  })
}
