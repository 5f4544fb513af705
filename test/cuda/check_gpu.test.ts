import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'

const program = fileURLToPath(new URL('../../build/cuda/check_gpu', import.meta.url))

interface Case {
  name: string
  holds: boolean
  failure?: string
}

interface Report {
  set: string
  runs: {
    images: string
    holds: boolean
    device: { kernels: string }
    notRun: number
    withoutCase: string[]
    cases: Case[]
  }[]
}

/** check_gpu on the simulated GPU; `during(child)` sees its process and the file that it writes. */
async function check(
  options: string[],
  during: (pid: number, output: string) => Promise<void> = () => Promise.resolve(),
) {
  const output = join(await temporaryFolder(), 'report.json')
  const sizes = options.includes('--sizes') ? [] : ['--sizes', 'small']
  const fixed = ['--driver', process.env['TRANSFUSION_CUDA_DRIVER']!, '--output', output, ...sizes]
  const child = spawn(program, [...fixed, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  let stdout = ''
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
  const exit = once(child, 'exit')
  await during(child.pid!, output)
  const [code] = (await exit) as [number]
  return { code, stdout, report: JSON.parse(await readFile(output, 'utf8')) as Report }
}

/** Some cases, one that takes the simulated GPU minutes, and some more. */
const oneLongCase = String.raw`matmul 1 x \[128, 128, 64\]|4096, 4096, 4096\] NN, f32|muon_polynomial.*f32`

/** Sends a signal to the process that runs the cases, once it is at the long one. */
const signalWorker = (signal: NodeJS.Signals) => async (pid: number, output: string) => {
  const last = 'matmul 1 x [128, 128, 64] TN, bf16'
  const done = () => existsSync(output) && readFileSync(output, 'utf8').includes(last)
  while (!done()) await setTimeout(5)
  await setTimeout(300)
  const worker = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'))
  process.kill(worker, signal)
}

let all: ReturnType<typeof check> | undefined
/** All small cases, which are run once. Within a test. */
const checkAll = () => (all ??= check(['--images', 'PTX']))

it('check_gpu, which is for GPUs, finds all kernels right on the simulated one, and has a case of each', async () => {
  const { code, stdout, report } = await checkAll()
  expect(stdout).toMatch(/^(\d+) of \1 cases hold, from PTX\n$/)
  expect(code).toBe(0)
  expect(report.runs).toHaveLength(1)
  for (const { holds, notRun, withoutCase, cases } of report.runs) {
    expect({ holds, notRun, withoutCase }).toEqual({ holds: true, notRun: 0, withoutCase: [] })
    expect(cases.every(({ holds }) => holds)).toBe(true)
  }
})

it('asks for machine code, and then for PTX', async () => {
  const { report } = await check(['--only', 'failure'])
  expect(report.runs.map(({ images, device, holds }) => [images, device.kernels, holds])).toEqual([
    ['machine code', 'PTX', true],
    ['PTX', 'PTX', true],
  ])
})

it('runs the cases that are asked for, and says what was not run', async () => {
  const some = await check(['--only', 'transpose', '--images', 'PTX'])
  expect(some).toMatchObject({ code: 0, report: { runs: [{ withoutCase: [] }] } })
  const none = await check(['--only', 'no such kernel', '--images', 'PTX'])
  expect(none).toMatchObject({ code: 1, stdout: '0 of 0 cases hold, from PTX\n' })
  const late = await check(['--seconds', '0', '--images', 'PTX'])
  expect(late.code).toBe(1)
  expect(late.stdout).toMatch(/^ {2}(\d+) cases were not run\n0 of \1 cases hold, from PTX\n$/)
})

it.each([
  ['SIGKILL', '60', 'ended by signal 9'],
  ['SIGSTOP', '5', 'took longer than --patience'],
] as const)('goes on with the next case after a worker that %s ends', async (signal, patience, failure) => {
  const { code, report } = await check(
    ['--images', 'PTX', '--patience', patience, '--sizes', 'real', '--only', oneLongCase],
    signalWorker(signal),
  )
  expect(code).toBe(1)
  const [run] = report.runs
  const failed = run!.cases.filter(({ holds }) => !holds)
  expect(failed).toEqual([{ name: expect.stringContaining('4096') as string, holds: false, failure }])
  expect(run!.notRun).toBe(0)
  expect(new Set(run!.cases.map(({ name }) => name)).size).toBe(run!.cases.length)
})

it.each(['products', 'attention', 'memory', 'tune'])('times %s', async (set) => {
  const { code, report } = await check(['--set', set, '--images', 'machine code'])
  expect(code).toBe(0)
  expect(report.set).toBe(set)
  for (const timed of report.runs[0]!.cases) expect(timed).toHaveProperty('best')
})

const root = fileURLToPath(new URL('../..', import.meta.url))

it('names cases that there are to sanitizers and to Nsight Compute', async () => {
  const load = (name: string): Promise<{ sanitizers: Record<string, string[]>; only: string[] }> =>
    import(new URL(`../../bench/gpu/${name}.mjs`, import.meta.url).href)
  const [{ sanitizers }, { only }] = [await load('sanitizer'), await load('counters')]
  const names = (await checkAll()).report.runs[0]!.cases.map(({ name }) => name)
  for (const pattern of [...Object.values(sanitizers), only].flat())
    expect(names.filter((name) => new RegExp(pattern).test(name)).length, pattern).toBeGreaterThan(0)
})

it('npm run check:gpu runs every slice on the simulated GPU, where there are no tools and no PyTorch', async () => {
  const folder = await temporaryFolder()
  const options = ['--no-build', '--driver', process.env['TRANSFUSION_CUDA_DRIVER']!, '--output', folder]
  const others = ['--python', '/no/python', '--minutes', '8', '--slice']
  const run = (slices: string) =>
    promisify(execFile)(
      process.execPath,
      [join(root, 'scripts/cuda/check_gpu.mjs'), ...options, ...others, slices],
      {
        env: {
          ...process.env,
          NODE_OPTIONS: '',
          TRANSFUSION_DEVICE: 'cpu',
          CUDA_HOME: '',
          PATH: '/usr/bin:/bin',
        },
      },
    )
  await run('agreement,step,products,tune,attention,sampling,memory')
  await run('sanitizer,counters')
  const { stdout } = await run('none')
  const ended = JSON.parse(await readFile(join(folder, 'slices.json'), 'utf8')) as Record<
    string,
    { ended: string }
  >
  for (const [name, slice] of Object.entries(ended)) expect(slice.ended, name).toBe('as it should')
  expect(Object.keys(ended)).toHaveLength(9)
  expect(stdout).toContain('# Simulated GPU (compute 8.0)')
  expect(stdout).toMatch(/\| f32 \| [\d.e-]+ \| the same \| [01] \| yes \|/)
  expect(stdout).toMatch(/\| tiny \| ours \| [\d.]+ \|/)
  expect(stdout).toMatch(/\| image of 1 \| ours \| [\d.e-]+ \|/)
})

it('a PyTorch that hangs costs its own time alone', async () => {
  const folder = await temporaryFolder()
  const python = join(folder, 'python')
  await writeFile(python, '#!/bin/sh\n[ "$1" = -c ] && echo 2.11.0 True || exec sleep 1000\n', {
    mode: 0o755,
  })
  const options = ['--no-build', '--driver', process.env['TRANSFUSION_CUDA_DRIVER']!, '--output', folder]
  const run = promisify(execFile)(
    process.execPath,
    [
      join(root, 'scripts/cuda/check_gpu.mjs'),
      ...options,
      '--slice',
      'products,memory',
      '--minutes',
      '0.2',
      '--python',
      python,
    ],
    { env: { ...process.env, NODE_OPTIONS: '' } },
  )
  await expect(run).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /products: PyTorch was killed when its time was over[^]*memory: as it should/,
    ),
  })
})
