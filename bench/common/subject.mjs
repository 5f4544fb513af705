// A side of a comparison, in a process of its own, so that its peak memory is its own: it prepares once and then runs
// rounds as it is asked to, which lets sides take turns. Requests and answers are lines of JSON.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** In the subject: `prepare(options)` gives what answers a request. */
export async function serve(prepare) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  const requests = {
    async next() {
      const { value, done } = await lines.next()
      return done ? undefined : JSON.parse(value)
    },
  }
  const answer = await prepare(await requests.next())
  for (let request; (request = await requests.next());) console.log(JSON.stringify(await answer(request)))
  process.exit()
}

/** Starts a program that serves; `ask(request)` resolves with its answer, `end()` when it is gone. */
export function startSubject(program, args, options, env = process.env) {
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const say = (message) => child.stdin.write(`${JSON.stringify(message)}\n`)
  // A subject that dies is reported by `ask`.
  child.stdin.on('error', () => {})
  const exit = once(child, 'exit')
  say(options)
  return {
    async ask(request) {
      say(request)
      const { value, done } = await lines.next()
      if (done) throw new Error(`${program} ${args.join(' ')} ended with ${(await exit)[0] ?? 'a signal'}`)
      return JSON.parse(value)
    },
    async end() {
      child.stdin.end()
      await exit
    },
    /** `ask` rejects from here on. */
    kill: () => child.kill('SIGKILL'),
  }
}

/** Our side of bench NAME: bench/subjects/NAME.mjs. */
export const startOurs = (name, options, env) =>
  startSubject(
    process.execPath,
    [fileURLToPath(new URL(`../subjects/${name}.mjs`, import.meta.url))],
    options,
    { ...process.env, ...env },
  )
