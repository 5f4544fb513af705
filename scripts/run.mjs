// What the scripts share: the checkout's root, child processes, stages with a heading and a time.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const prefix = dirname(dirname(process.execPath))
/** Where the running node is installed, when its headers lie there too; else undefined. */
export const nodePrefix = existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined

/** Whether this is a package that npm installed: it packs no lock file. */
export const isInstalled = !existsSync(join(root, 'package-lock.json'))

/** Where the build tools of an installed package lie, see build_tools.mjs. */
export const toolsFolder = join(root, 'build/tools')

/** A failure that is reported by its message and its section of docs/troubleshooting.md, as in a link to it. */
export class Failure extends Error {
  constructor(section, message) {
    super(message)
    this.section = section
  }
}

/** Runs a program with this terminal's streams; throws a Failure when it does not exit with 0. */
export function run(program, args, { env = {}, ...options } = {}) {
  const result = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
    ...options,
  })
  if (result.error) throw new Failure('a-program-cannot-be-started', `${program}: ${result.error.message}`)
  if (result.status !== 0) {
    const end = result.signal ?? `exit code ${result.status}`
    throw new Failure('a-program-failed', `${program} ${args.join(' ')} ended with ${end}`)
  }
  return result
}

/** Runs a program and returns what it prints; throws a Failure with its errors when it does not exit with 0. */
export function capture(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, encoding: 'utf8', ...options })
  if (result.error) throw new Failure('a-program-cannot-be-started', `${program}: ${result.error.message}`)
  if (result.status !== 0) {
    throw new Failure('a-program-failed', `${program} ${args.join(' ')}: ${result.stderr.trim()}`)
  }
  return result.stdout
}

/** Runs a program quietly; returns whether it exited with 0. */
export function succeeds(program, args, options = {}) {
  return spawnSync(program, args, { cwd: root, stdio: ['pipe', 'ignore', 'ignore'], ...options }).status === 0
}

/** Runs a command line tool of a package by its script, wherever npm put the package: `npx` without the wait. */
export function runTool(script, args, options) {
  const [name, path] = /^((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(script).slice(1)
  let manifest
  try {
    manifest = createRequire(import.meta.url).resolve(`${name}/package.json`, { paths: [toolsFolder, root] })
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error
    throw new Failure('an-npm-package-is-missing', `${name} is not installed: npm ci brings it`)
  }
  return run(process.execPath, [join(dirname(manifest), path), ...args], options)
}

/** Prints a heading, does the work, prints its time. */
export function stage(name, work) {
  console.log(`\n== ${name}`)
  const start = performance.now()
  const result = work()
  console.log(`   ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return result
}

/** Runs a script's body; a Failure ends the process with its message, where to read more, and exit code 1. */
export async function main(body) {
  try {
    await body()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    console.error(`\nFAILED: ${error.message}\nMore: docs/troubleshooting.md#${error.section}`)
    process.exitCode = 1
  }
}
