import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'
import { command } from './command.js'

describe('transfusion compare', () => {
  it.each([
    [['latents', '--steps', '8'], '--steps: does not go with "latents"'],
    [['latents', '--per-class', '8'], '--per-class: does not go with "latents"'],
    [['patches', '--minutes', '8'], '--minutes: does not go with "patches"'],
    [['latents', '--minutes', '0'], 'compareLatents: minutes must be a positive number, received 0'],
    [['patches', '--steps', '2'], 'runComparison: steps must be an integer of at least 4, received 2'],
  ])('refuses %j', async (options, message) => {
    const { code, stderr } = await command(['compare', ...options], { cwd: await temporaryFolder() })
    expect([code, stderr]).toEqual([1, `transfusion: ${message}\n`])
  })
})
