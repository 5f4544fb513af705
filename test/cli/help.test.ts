import { tmpdir } from 'node:os'
import { expect, it } from 'vitest'
import { command } from './command.js'

const help = async (...args: string[]) => {
  const { code, stdout } = await command([...args, '--help'], { cwd: tmpdir() })
  expect(code).toBe(0)
  return stdout
}

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
