// What `npm run check:gpu` makes of what tools print, and of what it has measured.
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'

const load = <T>(path: string): Promise<T> =>
  import(new URL(`../../bench/gpu/${path}.mjs`, import.meta.url).href) as Promise<T>

interface Launch {
  kernel: string
  metrics: Record<string, number>
}
const { parseNcu } = await load<{ parseNcu: (output: string) => Launch[] }>('ncu_csv')
const { parseSanitizer } = await load<{
  parseSanitizer: (output: string) => { errors: number | undefined; messages: string[] }
}>('sanitizer')
const { compareCounters } = await load<{
  compareCounters: (gpu: Launch[], simulated: object[]) => Record<string, unknown>[]
}>('counters')
const { gpuOf, openPrediction } = await load<{
  gpuOf: (name: string) => string | undefined
  openPrediction: (
    device: string,
    report?: string,
  ) => {
    milliseconds: (timed: { name: string; flops?: number; bytes?: number }) => number | undefined
    step: (size: string) => number | undefined
  }
}>('prediction')
const { compareOutcomes } = await load<{
  compareOutcomes: (
    compute: string,
    gpu: object,
    cpu: object,
  ) => { lossError: number; textAgrees: boolean; pixelError: number; holds: boolean }
}>('agreement')
const { summarizeFolder } = await load<{
  summarizeFolder: (
    folder: string,
    run: { device: string; slices: Record<string, { ended: string; seconds: number }> },
  ) => string
}>('summary')
const { describeEnd, runWatched } = await load<{
  runWatched: (
    program: string,
    args: string[],
    options: { seconds: number; quiet: boolean },
  ) => Promise<{ code?: number; signal?: string; late: boolean; stdout: string; stderr: string }>
  describeEnd: (ended: object) => string
}>('watched')

const ncuOutput = `==PROF== Connected to process 4242 (/work/build/cuda/check_gpu)
==PROF== Profiling "add_f32" - 0: 0%....50%....100% - 3 passes
==WARNING== Some note of the tool's
"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size","Grid Size","Device","CC","dram__bytes_read.sum","launch__registers_per_thread","smsp__inst_executed.sum"
"","","","","","","","","","","","byte","register/thread","inst"
"0","4242","check_gpu","127.0.0.1","add_f32","1","7","(256, 1, 1)","(5, 1, 1)","0","9.0","1,024","24","100"
"1","4242","check_gpu","127.0.0.1","add_f32","1","7","(256, 1, 1)","(5, 1, 1)","0","9.0","2048.0","24","200"
"2","4242","check_gpu","127.0.0.1","matmul(int, ""x"")","1","7","(256, 1, 1)","(5, 1, 1)","0","9.0","n/a","96",""
==PROF== Disconnected from process 4242
`

describe("ncu's table", () => {
  it('is read whatever stands around it', () => {
    expect(parseNcu(ncuOutput)).toEqual([
      {
        kernel: 'add_f32',
        metrics: {
          'dram__bytes_read.sum': 1024,
          launch__registers_per_thread: 24,
          'smsp__inst_executed.sum': 100,
        },
      },
      {
        kernel: 'add_f32',
        metrics: {
          'dram__bytes_read.sum': 2048,
          launch__registers_per_thread: 24,
          'smsp__inst_executed.sum': 200,
        },
      },
      { kernel: 'matmul', metrics: { launch__registers_per_thread: 96 } },
    ])
  })

  it('is missed by name', () => {
    expect(() => parseNcu('==ERROR== ERR_NVGPUCTRPERM - no permission')).toThrow('ncu printed no table')
  })

  it('is compared a launch with what the simulator counted', () => {
    const simulated = [
      { kernel: 'add_f32', warp_instructions: 140, global_sectors: 30, shared_wavefronts: 0 },
      { kernel: 'add_f32', warp_instructions: 160, global_sectors: 30, shared_wavefronts: 0 },
    ]
    const [add, matmul] = compareCounters(parseNcu(ncuOutput), simulated)
    expect(add).toMatchObject({
      kernel: 'add_f32',
      launches: 2,
      instructions: { gpu: 150, simulated: 150 },
      sectors: { gpu: undefined, simulated: 30 },
      dramBytes: { gpu: 1536 },
      registers: { gpu: 24 },
    })
    expect(matmul).toMatchObject({ instructions: { gpu: undefined, simulated: undefined } })
  })
})

describe("compute-sanitizer's reports", () => {
  it('are counted, with the first line of each', () => {
    const output = `========= COMPUTE-SANITIZER
R 1 add {"name":"add"}
========= Invalid __global__ write of size 4 bytes
=========     at add_f32+0x70 in elementwise.cu:42
=========     by thread (3,0,0) in block (0,0,0)
=========     Address 0x7f0000000200 is out of bounds
=========
========= ERROR SUMMARY: 1 error
`
    expect(parseSanitizer(output)).toEqual({
      errors: 1,
      messages: ['Invalid __global__ write of size 4 bytes'],
    })
  })

  it('of races are errors, not warnings', () => {
    const output = `========= COMPUTE-SANITIZER
========= Error: Race reported between Read access at 0x100 in k (k.cu:5)
=========     and Write access at 0x140 in k (k.cu:7) [4 hazards]
=========
========= RACECHECK SUMMARY: 3 hazards displayed (2 errors, 1 warning)
`
    expect(parseSanitizer(output).errors).toBe(2)
    expect(parseSanitizer(output).messages).toHaveLength(1)
  })

  it('are unknown where it did not end', () => {
    const refused = `========= COMPUTE-SANITIZER
========= Error: process didn't terminate successfully
=========     The application may have hit an error when dereferencing Unified Memory from the host.
========= Error: Target application terminated before first instrumented API call
`
    expect(parseSanitizer(refused)).toEqual({
      errors: undefined,
      messages: [
        "Error: process didn't terminate successfully",
        'Error: Target application terminated before first instrumented API call',
      ],
    })
    expect(parseSanitizer('========= ERROR SUMMARY: 0 errors\n')).toEqual({ errors: 0, messages: [] })
  })
})

describe('devices agree', () => {
  const cpu = { losses: [{ lm: 2, gradientNorm: 4 }], text: 'ab', pixels: [0, 255] }

  it('where losses, text and pixels do', () => {
    const gpu = { losses: [{ lm: 2.001, gradientNorm: 4 }], text: 'ab', pixels: [1, 255] }
    const found = compareOutcomes('f32', gpu, cpu)
    expect(found).toMatchObject({ textAgrees: true, pixelError: 1, holds: true })
    expect(found.lossError).toBeCloseTo(0.0005)
  })

  it.each([
    ['f32', { lm: 2.01 }],
    ['bf16', { lm: 2.1 }],
    ['f32', { text: 'ac' }],
    ['f32', { pixels: [2, 255] }],
    ['bf16', { lm: NaN }],
    ['bf16', { lm: undefined }],
  ])('not in %s with %o', (compute, { lm, ...rest }: { lm?: number; text?: string; pixels?: number[] }) => {
    const isGiven = rest.text !== undefined || rest.pixels !== undefined
    const gpu = { ...cpu, losses: [{ lm: isGiven ? 2 : lm, gradientNorm: 4 }], ...rest }
    expect(compareOutcomes(compute, gpu, cpu).holds).toBe(false)
  })
})

describe('the prediction', () => {
  it('knows GPUs by their names', () => {
    expect(['NVIDIA H200', 'NVIDIA H100 80GB HBM3', 'NVIDIA A100-SXM4-80GB', 'Tesla T4'].map(gpuOf)).toEqual([
      'H200',
      'H100',
      'A100',
      undefined,
    ])
  })

  it('is of products, attention, memory and steps, from cuda/REPORT.md', () => {
    const { milliseconds, step } = openPrediction('NVIDIA H200')
    const flops = 2 * 4096 ** 3
    // At most what mma.sync reaches, 63% of 989 TFLOP/s; at least half of that.
    const product = milliseconds({ name: 'matmul nt [4096, 4096, 4096], bf16', flops, bytes: 1e8 })!
    expect(product).toBeGreaterThanOrEqual((flops / (0.63 * 989e12)) * 1e3)
    expect(product).toBeLessThan((2 * flops * 1e3) / (0.63 * 989e12))
    const accumulated = { name: 'matmul tn accumulated [4096, 4096, 4096], bf16', flops }
    expect(milliseconds(accumulated)).toBeGreaterThan(0)
    const forward = milliseconds({ name: 'attention [64, 2 of 2, 64] causal, bf16', flops: 4e12 })!
    const backward = milliseconds({ name: 'attention_backward [64, 2 of 2, 64] causal, bf16', flops: 4e12 })!
    expect(backward).toBeGreaterThan(forward)
    expect(milliseconds({ name: 'add, f32', bytes: 4.8e9 })).toBeCloseTo(1.25)
    expect(milliseconds({ name: 'matmul nt [64, 64, 64], f32', flops: 1e9 })).toBeUndefined()
    expect(step('0.16B')).toBeGreaterThan(1)
    expect(step('0.5B')).toBeUndefined()
  })

  it('is nothing for other GPUs', () => {
    const { milliseconds, step } = openPrediction('Tesla T4')
    expect([milliseconds({ name: 'add, f32', bytes: 1 }), step('0.16B')]).toEqual([undefined, undefined])
  })
})

it('the summary says what is wrong first, and what is faster', async () => {
  const folder = await temporaryFolder()
  await mkdir(folder, { recursive: true })
  const write = (name: string, value: object) =>
    writeFile(join(folder, `${name}.json`), JSON.stringify(value))
  await write('kernels', {
    runs: [
      {
        images: 'PTX',
        device: { kernels: 'PTX' },
        cases: [
          { name: 'add', holds: true },
          { name: 'mul', holds: false, failure: 'took longer than --patience' },
        ],
        notRun: 3,
        withoutCase: ['ema'],
      },
    ],
  })
  await write('products', {
    runs: [
      { cases: [{ name: 'matmul nt [2, 2, 2], bf16', milliseconds: 2, best: 1, flops: 16, bytes: 24 }] },
    ],
  })
  await write('products.pytorch', {
    cases: [
      { name: 'matmul nt [2, 2, 2], bf16', peer: 'torch.matmul', milliseconds: 3, best: 3 },
      { name: 'matmul nt [2, 2, 2], bf16', peer: 'other', failure: 'no memory' },
    ],
  })
  await write('tune', {
    runs: [
      {
        device: { cublaslt: '13.1' },
        cases: [
          {
            name: 'matmul nt [2, 2, 2], bf16',
            best: 1,
            flops: 16,
            ways: [
              { way: 'large', milliseconds: 2 },
              { way: 'cublaslt 00', milliseconds: 4 },
              { way: 'cublaslt 01', milliseconds: 3 },
            ],
          },
        ],
      },
    ],
  })
  await write('step', {
    rows: [
      { size: '0.16B', side: 'ours', best: 0.01, flops: 1e12, positions: 4096, peakMemory: 2 ** 30 },
      { size: '0.16B', side: 'PyTorch', best: 0.02, flops: 1e12, positions: 4096, peakMemory: 2 ** 31 },
    ],
    notes: ['a note'],
  })
  await write('counters', { rows: [], notes: [], skipped: 'there is no ncu' })
  const slices = { kernels: { ended: 'as it should', seconds: 3 } }
  const summary = summarizeFolder(folder, { device: 'NVIDIA H200', slices })
  expect(summary).toContain('- PTX (PTX): 1 of 5 cases hold, 3 were not run')
  expect(summary).toContain('no case called ema')
  expect(summary).toContain('mul: took longer than --patience')
  expect(summary).toContain('torch.matmul 3: 1.50x; other: no memory')
  expect(summary).toMatch(/\| 0.16B \| PyTorch \| 20 \|.*\| 2048 \| 2.00x \|/)
  expect(summary).toContain('cuBLASLt: 13.1')
  expect(summary).toMatch(/\| {2}\| {2}\| 2 \| 3 \| large \| [\d.e-]+ TFLOP\/s \| 1.50x \|/)
  expect(summary).toContain('- a note')
  expect(summary).toContain('Skipped: there is no ncu')
  expect(summary.indexOf('Whether kernels are right')).toBeLessThan(summary.indexOf('Products'))
})

it('programs that hang are ended, with what they have started', async () => {
  const options = { seconds: 0.5, quiet: true }
  const hung = await runWatched('sh', ['-c', 'echo begun; sleep 100 & sleep 100'], options)
  expect(hung).toMatchObject({ late: true, stdout: 'begun\n' })
  expect(describeEnd(hung)).toBe('was killed when its time was over')
  const failed = await runWatched('sh', ['-c', 'echo why >&2; exit 3'], { ...options, seconds: 20 })
  expect(describeEnd(failed)).toBe('ended with exit code 3: why')
  expect(describeEnd(await runWatched('/no/program', [], { ...options, seconds: 20 }))).toMatch(
    /^could not be started: .*ENOENT/,
  )
})

it('names the slice that there is none of', async () => {
  const run = promisify(execFile)(process.execPath, ['scripts/cuda/check_gpu.mjs', '--slice', 'speed'])
  await expect(run).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--slice speed: there are kernels, agreement, step'),
  })
  expect(await readFile('.gitignore', 'utf8')).toContain('/bench/gpu/simulated-GPU-')
})
