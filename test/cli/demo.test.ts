import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'
import { command } from './command.js'

describe('transfusion demo', () => {
  it('names the data sets that there are', async () => {
    const cwd = await temporaryFolder()
    const { code, stderr } = await command(['demo', '--data', 'emojis'], { cwd })
    expect(code).toBe(1)
    expect(stderr).toContain("argument 'emojis' is invalid. Allowed choices are fashion-mnist, emoji.")
  })

  it('refuses to train for no time', async () => {
    const cwd = await temporaryFolder()
    const { code, stderr } = await command(['demo', '--minutes', '0'], { cwd })
    expect([code, stderr]).toEqual([1, 'transfusion: --minutes: expected a positive number, received 0\n'])
  })

  it.each([
    [['--latents'], '--latents: expected --data emoji beside it'],
    [['--size', '64'], '--size: expected --data emoji beside it'],
    [['--data', 'emoji', '--size', '128'], '--size: expected 32 or 64 without --latents, received 128'],
    [
      ['--data', 'emoji', '--latents', '--size', '32'],
      '--size: expected 64, 128 or 256 with --latents, received 32',
    ],
    [['--data', 'emoji', '--lpips', 'x'], '--lpips: expected --latents beside it'],
  ])('refuses %j', async (options, message) => {
    const { code, stderr } = await command(['demo', ...options], { cwd: await temporaryFolder() })
    expect([code, stderr]).toEqual([1, `transfusion: ${message}\n`])
  })
})
