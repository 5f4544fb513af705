import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'

const run = promisify(execFile)

it('lists every bench with what it measures', async () => {
  const { stdout } = await run(process.execPath, ['scripts/bench.mjs'])
  const names = readdirSync('bench').flatMap((file) => /^(.*)\.mjs$/.exec(file)?.[1] ?? [])
  expect(names).toContain('step')
  for (const name of names) expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, 'm'))
})

it('names the bench that there is none of', async () => {
  await expect(run(process.execPath, ['scripts/bench.mjs', 'nothing'])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('nothing'),
  })
})

it('measures beside the limits of the machine, and writes both as data', async () => {
  const path = join(await temporaryFolder(), 'attention.json')
  const options = ['--length', '512', '--compute', 'f32', '--rounds', '1', '--json', path]
  await run(process.execPath, ['bench/attention.mjs', ...options])
  const { limits, tables } = JSON.parse(await readFile(path, 'utf8'))
  expect(limits.rate.f32).toBeGreaterThan(0)
  expect(limits.readBandwidth).toBeGreaterThan(0)
  expect(tables).toHaveLength(1)
  const [row] = tables[0].rows
  expect(row).toMatchObject({ T: 512, side: 'ours' })
  // 254 tokens and BOI see those before and themselves, 256 patches all of these and each other, EOI everything.
  const pairs = (255 * 256) / 2 + 256 * 511 + 512
  expect(row['GFLOP/s'] * row['best ms']).toBeCloseTo(12 * 12 * 64 * pairs, 0)
})
