// Worker threads of the tests load lib/ as it is written: vitest compiles TypeScript on the main thread alone.
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'

if (!isMainThread) register('./hooks.mjs', import.meta.url)
