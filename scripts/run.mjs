// What the scripts share: the checkout's root, child processes, stages with a heading and a time.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const prefix = dirname(dirname(process.execPath))
/** Where the running node is installed, when its headers lie there too; else undefined. */
export const nodePrefix = existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined

/** A failure that is reported by its message alone. */
export class Failure extends Error {}

/** Runs a program with this terminal's streams; throws a Failure when it does not exit with 0. */
export function run(program, args, { env = {}, ...options } = {}) {
  const result = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
    ...options,
  })
  if (result.error) throw new Failure(`${program}: ${result.error.message}`)
  if (result.status !== 0) {
    throw new Failure(
      `${program} ${args.join(' ')} ended with ${result.signal ?? `exit code ${result.status}`}`,
    )
  }
  return result
}

/** Runs a program quietly; returns whether it exited with 0. */
export function succeeds(program, args, options = {}) {
  return spawnSync(program, args, { cwd: root, stdio: ['pipe', 'ignore', 'ignore'], ...options }).status === 0
}

/** Runs a command line tool of node_modules by its script, `npx` without the wait. */
export function runTool(script, args, options) {
  return run(process.execPath, [join(root, 'node_modules', script), ...args], options)
}

/** Prints a heading, does the work, prints its time. */
export function stage(name, work) {
  console.log(`\n== ${name}`)
  const start = performance.now()
  const result = work()
  console.log(`   ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return result
}

/** Runs a script's body; a Failure ends the process with its message and exit code 1. */
export function main(body) {
  try {
    body()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    console.error(`\nFAILED: ${error.message}`)
    process.exitCode = 1
  }
}
