import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { expect, it } from 'vitest'
import { command } from './command.js'

const help = async (...args: string[]) => {
  const { code, stdout } = await command([...args, '--help'], { cwd: tmpdir() })
  expect(code).toBe(0)
  return stdout
}

it('may be executed after a build, for links to a clone', async () => {
  const { mode } = await stat(new URL('../../dist/cli/main.js', import.meta.url))
  expect(mode & 0o111).toBe(0o111)
})

it('shows an example of every command, which begins with its name', async () => {
  const commands = [...(await help()).matchAll(/^  (\w+) /gm)].map(([, name]) => name!)
  const own = commands.filter((name) => name !== 'help')
  expect(own).toEqual(
    expect.arrayContaining(['train', 'sample', 'caption', 'chat', 'eval', 'samplers', 'demo']),
  )
  const texts = await Promise.all(own.map((name) => help(name)))
  for (const [i, name] of own.entries())
    expect(texts[i], name).toMatch(new RegExp(`\\nExamples?:\\n.*transfusion ${name} `))
})

it('shows the help of a command in a command', async () => {
  const { code, stdout } = await command(['help', 'tokenizer', 'train'], { cwd: tmpdir() })
  expect({ code, stdout }).toEqual({ code: 0, stdout: await help('tokenizer', 'train') })
  expect(stdout).toContain('--min-frequency')
})

it.each([
  [
    ['trian', 'x'],
    "error: unknown command 'trian'\n(Did you mean train?)\n(transfusion help shows the commands)\n",
  ],
  [
    ['help', 'smaple'],
    "error: unknown command 'smaple'\n(Did you mean sample?)\n(transfusion help shows the commands)\n",
  ],
  [
    ['tokenizer', 'tran'],
    "error: unknown command 'tran'\n(Did you mean train?)\n" +
      '(transfusion help tokenizer shows its arguments, options and examples)\n',
  ],
  [
    ['sample'],
    "error: missing required argument 'model'\n(transfusion help sample shows its arguments, options and examples)\n",
  ],
  [
    ['train', 'config.json', '--ot', 'run'],
    "error: unknown option '--ot'\n(Did you mean --out?)\n" +
      '(transfusion help train shows its arguments, options and examples)\n',
  ],
])('says what is wrong with %j, and where its help is', async (args, message) => {
  expect(await command(args, { cwd: tmpdir() })).toEqual({ code: 1, stdout: '', stderr: message })
})
