// What the report's prediction counts without running a kernel is what a training step computes.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const script = (name: string) => fileURLToPath(new URL(`../../scripts/cuda/${name}`, import.meta.url))
const run = (args: string[], env: Record<string, string> = {}) =>
  promisify(execFile)(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '', ...env } })

it('counts as much on a GPU that runs no kernel as a CPU computes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'step-work-'))
  const output = join(folder, 'step_work.json')
  await run([script('step_work.mjs'), '--sizes', 'tiny', '--output', output])
  const { on, ...counted } = JSON.parse(await readFile(output, 'utf8')).tiny
  await rm(folder, { recursive: true })
  const { stdout } = await run([script('count_step.mjs'), 'tiny'], { TRANSFUSION_DEVICE: 'cpu' })
  expect(counted).toEqual(JSON.parse(stdout))
  expect(Object.keys(on)).toEqual(['108', '132'])
})
