import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'

const program = fileURLToPath(new URL('../../build/cuda/check_gpu', import.meta.url))

interface Report {
  runs: { images: string; device: { kernels: string }; cases: { name: string; holds: boolean }[] }[]
}

it('check_gpu, which is for GPUs, finds all kernels right on the simulated one, and writes what it found', async () => {
  const output = join(await temporaryFolder(), 'report.json')
  const options = ['--driver', process.env['TRANSFUSION_CUDA_DRIVER']!, '--output', output]
  const { stdout, stderr } = await promisify(execFile)(program, options)
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^(\d+) of \1 kernels hold, from PTX\n\1 of \1 kernels hold, from PTX\n$/)
  const { runs } = JSON.parse(await readFile(output, 'utf8')) as Report
  expect(runs.map(({ images, device }) => [images, device.kernels])).toEqual([
    ['machine code', 'PTX'],
    ['PTX', 'PTX'],
  ])
  for (const { cases } of runs) expect(cases.every(({ holds }) => holds)).toBe(true)
})
