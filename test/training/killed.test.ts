import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'

const path = (script: string) => fileURLToPath(new URL(script, import.meta.url))

/** Runs the training; kills it some milliseconds after it has printed so many lines. Resolves with those it printed. */
async function train(
  script: string,
  folder: string,
  steps: number,
  kill?: { lines: number; milliseconds: number },
): Promise<string[]> {
  const child = spawn(process.execPath, [path(script), folder, String(steps)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const before = output.split('\n').length - 1
    output += text
    const after = output.split('\n').length - 1
    if (kill && before < kill.lines && after >= kill.lines)
      setTimeout(() => child.kill('SIGKILL'), kill.milliseconds)
  })
  await new Promise((resolve) => child.on('close', resolve))
  expect(errors).toBe('')
  return output.split('\n').filter((line) => line !== '')
}

const numberAfter = (word: string, lines: readonly string[]) =>
  lines.flatMap((line) => (line.startsWith(`${word} `) ? [Number(line.slice(word.length + 1))] : []))

it.each([
  ['killed_training.mjs', 30, 400],
  ['killed_companion.mjs', 8, 200],
])(
  'resumes after each kill at a random moment, and ends as if there had been none: %s',
  async (script, kills, steps) => {
    const folder = join(await temporaryFolder(), 'checkpoints')
    let lastSaved = 0
    for (let i = 0; i < kills; i++) {
      const lines = await train(script, folder, steps, {
        lines: 1 + (i % 4),
        milliseconds: Math.random() * 60,
      })
      const [from] = numberAfter('from', lines)
      // A step is reported before it is saved: at most the two in flight are lost.
      expect(from).toBeGreaterThanOrEqual(lastSaved - 2)
      lastSaved = Math.max(from!, ...numberAfter('step', lines))
    }
    expect(lastSaved).toBeGreaterThan(0)
    expect(lastSaved).toBeLessThan(steps)
    const resumed = (await train(script, folder, steps)).at(-1)
    const whole = (await train(script, join(await temporaryFolder(), 'checkpoints'), steps)).at(-1)
    expect(resumed).toMatch(/^weights /)
    expect(resumed).toBe(whole)
  },
  180_000,
)
