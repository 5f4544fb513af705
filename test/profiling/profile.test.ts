import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, it, test } from 'vitest'
import { attention } from '../../lib/ops/attention.js'
import { cast } from '../../lib/ops/cast.js'
import { concat } from '../../lib/ops/concat.js'
import { conv2d } from '../../lib/ops/conv2d.js'
import { embedding } from '../../lib/ops/embedding.js'
import { matmul } from '../../lib/ops/matmul.js'
import { scale } from '../../lib/ops/scale.js'
import { type ProfileOptions, type ProfileReport, startProfile } from '../../lib/profiling/profile.js'
import { formatProfile, kernelTotals } from '../../lib/profiling/profile_table.js'
import { writeTrace } from '../../lib/profiling/trace.js'
import { fence } from '../../lib/tensor/device.js'
import { Job } from '../../lib/tensor/job.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, full } from '../../lib/tensor/tensor.js'
import { temporaryFolder } from '../temporary_folder.js'

/** What a profile counts of `body`, and of nothing that was enqueued before. */
async function profileOf(body: () => void, options?: ProfileOptions): Promise<ProfileReport> {
  await fence()
  const profile = startProfile(options)
  scope(body)
  return profile.stop()
}

const only = (report: ProfileReport, name: string) => report.kernels.filter((kernel) => kernel.name === name)

it('counts the calls of each kernel by the shapes of its arguments, with bytes and operations', async () => {
  const [a, b, c] = [full([8, 16], 1), full([16, 4], 1), full([16, 2], 1)]
  const report = await profileOf(() => {
    matmul(a, b)
    matmul(a, c)
    matmul(a, b)
    cast(a, 'bf16')
  })
  const product = (n: number, calls: number) => ({
    name: 'matmul',
    calls,
    tensors: [
      { name: 'y', dtype: 'f32', shape: [8, n] },
      { name: 'a', dtype: 'f32', shape: [8, 16] },
      { name: 'b', dtype: 'f32', shape: [16, n] },
    ],
    time: expect.any(Number),
    bytesRead: calls * 4 * (8 * 16 + 16 * n),
    bytesWritten: calls * 4 * 8 * n,
    flops: calls * 2 * 8 * 16 * n,
  })
  const products = only(report, 'matmul').toSorted((a, b) => b.calls - a.calls)
  expect(products).toEqual([product(4, 2), product(2, 1)])
  expect(only(report, 'cast')).toMatchObject([
    { calls: 1, bytesRead: 8 * 16 * 4, bytesWritten: 8 * 16 * 2, flops: 0 },
  ])
  expect(kernelTotals(report).find(({ name }) => name === 'matmul')).toMatchObject({
    calls: 3,
    flops: 2 * 8 * 16 * 10,
  })
})

it('names each tensor of a list, and what is uploaded and read', async () => {
  const report = await profileOf(() => {
    const x = fromArray(Float32Array.of(1, 2))
    void concat([x, x, x], 0).read()
  })
  const names = only(report, 'concat').flatMap(({ tensors }) => tensors.map(({ name }) => name))
  expect(names).toEqual(['y', 'xs', 'xs', 'xs'])
  expect(only(report, '(upload)')).toMatchObject([{ calls: 1, bytesRead: 0, bytesWritten: 8 }])
  expect(only(report, '(read)')).toMatchObject([{ calls: 1, bytesRead: 24, bytesWritten: 0 }])
})

it('counts operations of attention over visible pairs, and of convolutions', async () => {
  const [T, H, D] = [5, 2, 8]
  const report = await profileOf(() => {
    const q = full([T, H, D], 1)
    attention(q, q, q, {
      keyStart: fromArray(Int32Array.of(0, 0, 2, 2, 2)),
      keyEnd: fromArray(Int32Array.of(1, 2, 5, 5, 2)),
      queryRows: fromArray(Int32Array.of(0, T)),
      keyRows: fromArray(Int32Array.of(0, T)),
    })
    conv2d(full([3, 6, 7, 4], 1), full([8, 3, 3, 2], 1), undefined, { padding: 1, groups: 2 })
  })
  const visible = 1 + 2 + 3 + 3
  expect(only(report, 'attention')).toMatchObject([{ flops: visible * 4 * H * D }])
  expect(only(report, 'conv2d')).toMatchObject([{ flops: 2 * (3 * 6 * 7 * 8) * (3 * 3 * 2) }])
})

it('tells the time in kernels from the time without work', async () => {
  await fence()
  const profile = startProfile()
  await setTimeout(30)
  scope(() => matmul(full([256, 256], 1), full([256, 256], 1)))
  const { time, busy, idle } = await profile.stop()
  expect(idle).toBeGreaterThan(0)
  expect(busy).toBeGreaterThan(0)
  expect(busy + idle).toBeLessThanOrEqual(time)
})

it('keeps profiles that are open at once apart, and a closed one as it was', async () => {
  await fence()
  const x = full([4], 1)
  const calls = (report: ProfileReport) => only(report, 'scale').reduce((sum, { calls }) => sum + calls, 0)
  const outer = startProfile()
  scope(() => scale(x, 2))
  const inner = await profileOf(() => scale(x, 2))
  scope(() => scale(x, 2))
  const report = await outer.stop()
  scope(() => scale(x, 2))
  await fence()
  expect([calls(report), calls(inner), calls(await outer.stop())]).toEqual([3, 1, 3])
})

it('leaves out what was cancelled', async () => {
  const job = new Job()
  const report = await profileOf(() => {
    job.cancel()
    job.run(() => scale(full([4], 1), 2))
  })
  expect(only(report, 'scale')).toEqual([])
})

test('a failed kernel is one that ran', async () => {
  const report = await profileOf(() => embedding(full([2, 4], 1), fromArray(Int32Array.of(2))))
  expect(only(report, 'embedding')).toMatchObject([{ calls: 1 }])
})

it('keeps the first calls one by one, as many as asked for', async () => {
  const report = await profileOf(() => [1, 2, 3].forEach((n) => full([n], 0)), { spans: 2 })
  const spans = [...report.spans]
  expect(spans.map(({ kernel }) => kernel.tensors[0]!.shape)).toEqual([[1], [2]])
  expect(spans[1]!.start).toBeGreaterThanOrEqual(spans[0]!.start + spans[0]!.time)
  expect(report.spansLeftOut).toBe(1)
  expect([...(await profileOf(() => full([1], 0))).spans]).toEqual([])
})

test.each([-1, 1.5, NaN])('%d spans are refused', (spans) => {
  expect(() => startProfile({ spans })).toThrow(
    `startProfile: spans must be an integer of at least 0, received ${spans}`,
  )
})

it('is written as a trace that names tensors, bytes and operations of each call', async () => {
  const report = await profileOf(
    () => {
      const x = full([2, 3], 1)
      matmul(x, concat([x, x], 0), { transposeB: true })
    },
    { spans: 10 },
  )
  const path = join(await temporaryFolder(), 'trace.json')
  await writeTrace(path, report)
  const { traceEvents } = JSON.parse(await readFile(path, 'utf8')) as {
    traceEvents: Record<string, unknown>[]
  }
  const spans = traceEvents.filter(({ ph }) => ph === 'X')
  expect(spans.map(({ name }) => name)).toEqual(['fill', 'concat', 'matmul'])
  expect(spans.map(({ args }) => args)).toEqual([
    { y: 'f32 [2, 3]', bytes: 24 },
    { y: expect.any(String), xs: expect.any(String), bytes: 48 + 48 },
    { y: 'f32 [2, 4]', a: 'f32 [2, 3]', b: 'f32 [4, 3]', bytes: 32 + 24 + 48, flops: 2 * 2 * 3 * 4 },
  ])
  expect((spans[1]!['args'] as { xs: string }).xs).toMatch(/^f32 \[.*\], f32 \[.*\]$/)
  const ends = spans.map(({ ts, dur }) => (ts as number) + (dur as number))
  for (const [i, end] of ends.slice(0, -1).entries()) expect(spans[i + 1]!['ts']).toBeGreaterThan(end - 0.01)
  expect(new Set(traceEvents.map(({ pid, tid }) => `${String(pid)} ${String(tid)}`)).size).toBe(1)
})

test('the table has a line for each kernel, the longest first, and what passed without kernels', () => {
  const none = { tensors: [], bytesRead: 0, bytesWritten: 0, flops: 0 }
  const report: ProfileReport = {
    time: 100,
    busy: 75,
    idle: 20,
    kernels: [
      { ...none, name: 'matmul', calls: 2, time: 40, bytesRead: 3e8, bytesWritten: 1e8, flops: 8e9 },
      { ...none, name: 'add', calls: 10, time: 25, bytesRead: 5e7 },
      { ...none, name: 'matmul', calls: 1, time: 10, bytesRead: 1e8, flops: 2e9 },
    ],
    spans: [],
    spansLeftOut: 0,
  }
  expect(formatProfile(report).split('\n')).toEqual([
    'kernel           calls    ms  share  us/call  GFLOP/s   GB/s',
    'matmul               3  50.0  50.0%  16666.7    200.0  10.00',
    'add                 10  25.0  25.0%   2500.0            2.00',
    'all kernels         13  75.0  75.0%',
    'idle                    20.0  20.0%',
    'between kernels          5.0   5.0%',
  ])
})
