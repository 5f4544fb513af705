import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, test } from 'vitest'
import { command } from '../cli/command.js'
import { scriptedFolder } from '../cli/scripted_folder.js'
import { temporaryFolder } from '../temporary_folder.js'

const library = JSON.stringify(fileURLToPath(new URL('../../dist/entry/tensor.js', import.meta.url)))

/** Runs a script with the library's exports in a Node of its own; resolves with how it ended and what it printed. */
async function runNode(script: string, env: Record<string, string>) {
  const code = `const { full, scope, fence } = require(${library});${script}`
  const child = spawn(process.execPath, ['--input-type=commonjs', '--no-warnings', '--eval', code], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    timeout: 240_000,
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text))
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { exitCode, ...output }
}

const fills = 'scope(() => { for (let i = 0; i < 7; i++) full([4], 1) });'

test.each([
  ['by itself', `${fills} fence()`, 0],
  ['at process.exit', `${fills} fence().then(() => process.exit(3))`, 3],
  ['at an error', `${fills} fence().then(() => { throw new Error('broken') })`, 1],
])(
  'TRANSFUSION_PROFILE=1 prints a table to standard error when a process ends %s',
  async (_, script, code) => {
    const { exitCode, stdout, stderr } = await runNode(script, { TRANSFUSION_PROFILE: '1' })
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: '' })
    expect(stderr).toMatch(/^kernel +calls +ms +share +us\/call +GFLOP\/s +GB\/s$/m)
    expect(stderr).toMatch(/^fill +7 /m)
    expect(stderr).toMatch(/^idle /m)
  },
)

test('a process prints nothing unasked, and its workers no second table', async () => {
  const work = `${fills} fence().then(() => {
    const { Worker } = require('node:worker_threads')
    new Worker('require(' + ${JSON.stringify(library)} + ')', { eval: true })
  })`
  expect(await runNode(work, { TRANSFUSION_PROFILE: '' })).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  const { stderr } = await runNode(work, { TRANSFUSION_PROFILE: '1' })
  expect(stderr.match(/^kernel /gm)).toHaveLength(1)
})

test('TRANSFUSION_TRACE=FILE writes a trace when a process ends', async () => {
  const file = join(await temporaryFolder(), 'trace.json')
  const run = await runNode(`${fills} fence()`, { TRANSFUSION_TRACE: file })
  expect(run).toMatchObject({ exitCode: 0, stderr: '' })
  const { traceEvents } = JSON.parse(await readFile(file, 'utf8')) as { traceEvents: { name: string }[] }
  expect(traceEvents.filter(({ name }) => name === 'fill')).toHaveLength(7)
})

it('is an option of every command, before or after its name', async () => {
  const cwd = await scriptedFolder()
  const run = (...args: string[]) => command(args, { cwd })
  const sample = ['sample', 'model', 'a', '--max-tokens', '3']
  expect(await run(...sample, '--trace', 'a.json')).toMatchObject({ code: 0 })
  expect(await run('--trace', 'b.json', ...sample)).toMatchObject({ code: 0 })
  for (const file of ['a.json', 'b.json'])
    expect(await readFile(join(cwd, file), 'utf8')).toContain('"name":"attention"')
  expect((await run('sample', '--help')).stdout).toContain('--trace <file>')

  const { code, stderr } = await run(...sample, '--trace', 'nowhere/trace.json')
  expect(code).toBe(1)
  expect(stderr).toMatch(/^transfusion: the trace cannot be written: ENOENT: .*nowhere\/trace\.json/)
})
