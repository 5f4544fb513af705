// What kernels do to memory, as the simulated driver counts it.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { cast } from '../../../lib/ops/cast.js'
import { startProfile } from '../../../lib/profiling/profile.js'
import { fence } from '../../../lib/tensor/device.js'
import type { Shape } from '../../../lib/tensor/shape.js'
import { fromArray, full, type Tensor } from '../../../lib/tensor/tensor.js'
import { randomArray, toTensor } from '../../host_array.js'

// The simulated driver reads it when it is first called. It adds a line for each launch.
const lines = join(mkdtempSync(join(tmpdir(), 'counters-')), 'lines')
process.env['TRANSFUSION_SIMULATOR_COUNTERS'] = lines

export type DType = 'f32' | 'bf16'

export const random = (shape: Shape, dtype: DType, seed = 1) => toTensor(randomArray(shape, seed), dtype)
export const zeros = (shape: Shape, dtype: DType) =>
  dtype === 'bf16' ? cast(full(shape, 0), dtype) : full(shape, 0)
export const ints = (values: readonly number[], shape: Shape = [values.length]) =>
  fromArray(Int32Array.from(values), shape)
export const permutation = (count: number) => ints(Array.from({ length: count }, (_, i) => (i * 37) % count))

export interface Case {
  /** Makes the arguments and returns the call. */
  prepare: (dtype: DType) => () => void
  /** As the kernel is profiled; by default the case's own name. */
  kernel?: string
  dtypes?: readonly DType[]
  /** The most that memory moves, where caches hold what a launch has touched, of the tensors' bytes: 1.05. */
  memory?: number
  /** The most that is read and written, of the tensors' bytes: beyond 1.05 where caches serve what is read again. */
  cached?: number
  /** The most turns of shared memory's banks, of those without conflicts: 1. */
  conflicts?: number
  /** The most sectors, of the bytes that threads ask for: 1.05. */
  sectors?: number
}

/** A case's `prepare`: tensors, and the call on their handles. */
export const on =
  (make: (dtype: DType) => Tensor[], call: (...handles: Tensor['handle'][]) => void) => (dtype: DType) => {
    const tensors = make(dtype)
    return () => call(...tensors.map(({ handle }) => handle))
  }

interface Launch {
  kernel: string
  threads: number
  dynamic_shared: number
  warp_instructions: number
  instructions_matrix: number
  global_requests: number
  global_sectors: number
  global_bytes: number
  memory_sectors: number
  shared_wavefronts: number
  shared_ideal_wavefronts: number
}

export const launches = (): Launch[] =>
  existsSync(lines)
    ? readFileSync(lines, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Launch)
    : []

/** Runs a case; what the report shows of it. */
async function measure(name: string, { prepare, kernel = name }: Case, dtype: DType) {
  const call = prepare(dtype)
  await fence()
  const before = launches().length
  const profile = startProfile()
  call()
  await fence()
  const work = (await profile.stop()).kernels.find((found) => found.name === kernel)!
  const made = launches().slice(before)
  const sum = (field: Exclude<keyof Launch, 'kernel'>) =>
    made.reduce((total, launch) => total + launch[field], 0)
  return {
    name,
    dtype,
    launches: made.map(({ kernel, threads, dynamic_shared }) => ({ kernel, threads, dynamic_shared })),
    flops: work.flops,
    ideal_bytes: work.bytesRead + work.bytesWritten,
    memory_bytes: 32 * sum('memory_sectors'),
    sector_bytes: 32 * sum('global_sectors'),
    requested_bytes: sum('global_bytes'),
    requests: sum('global_requests'),
    warp_instructions: sum('warp_instructions'),
    shared_wavefronts: sum('shared_wavefronts'),
    shared_ideal_wavefronts: sum('shared_ideal_wavefronts'),
  }
}

/**
 * A test of each case; the report finds what was counted in build/cuda/counters/ under the name of the test's `file`.
 * `cached`: the limit of cases that give none.
 */
export function testTraffic(
  file: string,
  cases: Record<string, Case>,
  { cached = 1.05 }: { cached?: number } = {},
): void {
  const rows: unknown[] = []

  it.each(
    Object.entries(cases).flatMap(([name, one]) =>
      (one.dtypes ?? (['f32', 'bf16'] as const)).map((dtype) => [name, dtype, one] as const),
    ),
  )('%s, %s', async (name, dtype, one) => {
    const row = await measure(name, one, dtype)
    rows.push(row)
    expect(row.launches).not.toEqual([])
    expect.soft(row.memory_bytes / row.ideal_bytes, 'bytes of memory').toBeLessThan(one.memory ?? 1.05)
    expect.soft(row.sector_bytes / row.ideal_bytes, 'bytes').toBeLessThan(one.cached ?? cached)
    expect
      .soft(row.sector_bytes / row.requested_bytes, 'sectors of what is asked for')
      .toBeLessThan(one.sectors ?? 1.05)
    expect
      .soft(row.shared_wavefronts, 'conflicts of banks')
      .toBeLessThanOrEqual(row.shared_ideal_wavefronts * (one.conflicts ?? 1))
  })

  afterAll(() => {
    const folder = fileURLToPath(new URL('../../../build/cuda/counters/', import.meta.url))
    mkdirSync(folder, { recursive: true })
    const path = join(folder, `${basename(fileURLToPath(file), '.test.ts')}.json`)
    writeFileSync(path, `${JSON.stringify(rows, null, 1)}\n`)
  })
}
