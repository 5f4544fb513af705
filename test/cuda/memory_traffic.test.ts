import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { cast } from '../../lib/ops/cast.js'
import { startProfile } from '../../lib/profiling/profile.js'
import { fence } from '../../lib/tensor/device.js'
import type { Shape } from '../../lib/tensor/shape.js'
import { fromArray, full, type Tensor } from '../../lib/tensor/tensor.js'
import { randomArray, toTensor } from '../host_array.js'

// The simulated driver reads it when it is first called. It adds a line for each launch.
const lines = join(mkdtempSync(join(tmpdir(), 'counters-')), 'lines')
process.env['TRANSFUSION_SIMULATOR_COUNTERS'] = lines

type DType = 'f32' | 'bf16'

const [T, C] = [128, 1024]
const random = (shape: Shape, dtype: DType) => toTensor(randomArray(shape), dtype)
const zeros = (shape: Shape, dtype: DType) =>
  dtype === 'bf16' ? cast(full(shape, 0), dtype) : full(shape, 0)
const ints = (values: readonly number[], shape: Shape = [values.length]) =>
  fromArray(Int32Array.from(values), shape)
const permutation = (count: number) => ints(Array.from({ length: count }, (_, i) => (i * 37) % count))
/** Two images of half the rows each. */
const imageRows = () => ints([0, T / 2, T])
const seeds = () => fromArray(new Int32Array(8).fill(3), [2, 4])
const perImage = () => fromArray(Float32Array.of(0.5, 0.8))
const finite = () => fromArray(Float32Array.of(1, 1, 1))

interface Case {
  /** Makes the arguments and returns the call. */
  prepare: (dtype: DType) => () => void
  dtypes?: readonly DType[]
  /** The most that is read and written, of what is to be once: beyond 1.05 where caches serve what is read again. */
  most?: number
  /** The most sectors, of the bytes that threads ask for. */
  sectors?: number
}

const on =
  (make: (dtype: DType) => Tensor[], call: (...handles: Tensor['handle'][]) => void) => (dtype: DType) => {
    const tensors = make(dtype)
    return () => call(...tensors.map(({ handle }) => handle))
  }

const cases: Record<string, Case> = {
  fill: {
    prepare: on(
      (d) => [zeros([T, C], d)],
      (y) => native.fill(y!, 1),
    ),
  },
  cast: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d === 'f32' ? 'bf16' : 'f32')],
      (y, x) => native.cast(y!, x!),
    ),
  },
  add: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d), random([T, C], d)],
      (y, a, b) => native.add(y!, a!, b!),
    ),
  },
  mul: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d), random([T, 1], d)],
      (y, a, b) => native.mul(y!, a!, b!),
    ),
  },
  scale: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d)],
      (y, x) => native.scale(y!, x!, 2),
    ),
  },
  accumulate: {
    prepare: on(
      (d) => [zeros([T, C], 'f32'), random([T, C], d)],
      (y, x) => native.accumulate(y!, x!),
    ),
  },
  sum_to: {
    prepare: on(
      (d) => [zeros([T, 1], d), random([T, C], d)],
      (y, x) => native.sum_to(y!, x!, 1),
    ),
  },
  sum_rows: {
    // Partial sums.
    most: 1.06,
    sectors: 1.06,
    prepare: on(
      (d) => [zeros([C], 'f32'), random([4 * T, C], d)],
      (y, x) => native.sum_rows(y!, x!),
    ),
  },
  broadcast_to: {
    // One value for each row, in a sector of its own.
    most: 1.07,
    prepare: on(
      (d) => [zeros([T, C], d), random([T, 1], d)],
      (y, x) => native.broadcast_to(y!, x!, 1),
    ),
  },
  concat: {
    prepare: (d) => {
      const [y, parts] = [zeros([T, 3, C / 4], d), [1, 2].map((n) => random([T, n, C / 4], d))]
      return () =>
        native.concat(
          y.handle,
          parts.map(({ handle }) => handle),
        )
    },
  },
  slice: {
    prepare: on(
      (d) => [zeros([T, 4, C / 4], d), random([T, 4, C / 4], d)],
      (y, x) => native.slice(y!, x!, 0),
    ),
  },
  transpose: {
    prepare: on(
      (d) => [zeros([C, T], d), random([T, C], d)],
      (y, x) => native.transpose(y!, x!, 0, 1),
    ),
  },
  embedding: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d), permutation(T)],
      (y, x, ids) => native.embedding(y!, x!, ids!),
    ),
  },
  embedding_backward: {
    // The tables of the sort, which are small beside more rows.
    most: 1.1,
    prepare: on(
      (d) => [zeros([T, C], 'f32'), random([T, C], d), permutation(T)],
      (y, x, ids) => native.embedding_backward(y!, x!, ids!),
    ),
  },
  write_rows: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d), permutation(T)],
      (y, x, rows) => native.write_rows(y!, x!, rows!),
    ),
  },
  split_rope: {
    // All heads read the angles of their token.
    most: 1.25,
    prepare: on(
      (d) => [
        zeros([T, 8, 64], d),
        zeros([T, 2, 64], d),
        zeros([T, 2, 64], d),
        random([T, 12, 64], d),
        random([T, 64], 'f32'),
      ],
      (q, k, v, qkv, table) => native.split_rope(q!, k!, v!, qkv!, table!),
    ),
  },
  split_rope_backward: {
    most: 1.25,
    prepare: on(
      (d) => [
        zeros([T, 12, 64], d),
        random([T, 8, 64], d),
        random([T, 2, 64], d),
        random([T, 2, 64], d),
        random([T, 64], 'f32'),
      ],
      (dqkv, dq, dk, dv, table) => native.split_rope_backward(dqkv!, dq!, dk!, dv!, table!),
    ),
  },
  upsample_nearest: {
    // Each pixel of x is read for four of y.
    most: 1.25,
    prepare: on(
      (d) => [zeros([1, 32, 32, 64], d), random([1, 16, 16, 64], d)],
      (y, x) => native.upsample_nearest(y!, x!, 1),
    ),
  },
  sum_pool: {
    prepare: on(
      (d) => [zeros([1, 16, 16, 64], d), random([1, 32, 32, 64], d)],
      (y, x) => native.sum_pool(y!, x!, 1),
    ),
  },
  silu: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d)],
      (y, x) => native.silu(y!, x!),
    ),
  },
  silu_backward: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d), random([T, C], d)],
      (dx, dy, x) => native.silu_backward(dx!, dy!, x!),
    ),
  },
  swiglu: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, 2 * C], d)],
      (y, x) => native.swiglu(y!, x!),
    ),
  },
  swiglu_backward: {
    prepare: on(
      (d) => [zeros([T, 2 * C], d), random([T, C], d), random([T, 2 * C], d)],
      (dx, dy, x) => native.swiglu_backward(dx!, dy!, x!),
    ),
  },
  patchify: {
    // Where images begin, and their sizes.
    most: 1.15,
    prepare: on(
      (d) => [zeros([1536, 64], d), random([6144, 16], d), ints([64, 64, 32, 64], [2, 2])],
      (y, x, sizes) => native.patchify(y!, x!, sizes!, 2),
    ),
  },
  unpatchify: {
    most: 1.15,
    prepare: on(
      (d) => [zeros([6144, 16], d), random([1536, 64], d), ints([64, 64, 32, 64], [2, 2])],
      (y, x, sizes) => native.unpatchify(y!, x!, sizes!, 2),
    ),
  },
  timestep_embedding: {
    // Each warp reads its time.
    most: 1.3,
    prepare: on(
      (d) => [zeros([T, C], d), full([T], 3)],
      (y, t) => native.timestep_embedding(y!, t!, 1e4),
    ),
  },
  rms_norm: {
    // All rows read the weight, and the bias.
    most: 1.55,
    prepare: on(
      (d) => [zeros([T, C], d), full([T], 0), random([T, C], d), random([C], d)],
      (y, rstd, x, weight) => native.rms_norm(y!, rstd!, x!, weight!, 1e-6),
    ),
  },
  rms_norm_backward: {
    // Partial sums of dweight, which are small beside more rows.
    most: 1.9,
    sectors: 1.15,
    prepare: on(
      (d) => [
        zeros([T, C], d),
        full([C], 0),
        random([T, C], d),
        random([T, C], d),
        random([C], d),
        full([T], 1),
      ],
      (dx, dweight, dy, x, weight, rstd) => native.rms_norm_backward(dx!, dweight!, dy!, x!, weight!, rstd!),
    ),
  },
  layer_norm: {
    most: 2.05,
    prepare: on(
      (d) => [
        zeros([T, C], d),
        full([T], 0),
        full([T], 0),
        random([T, C], d),
        random([C], d),
        random([C], d),
      ],
      (y, mean, rstd, x, weight, bias) => native.layer_norm(y!, mean!, rstd!, x!, weight!, bias!, 1e-6, true),
    ),
  },
  group_norm: {
    most: 1.7,
    prepare: on(
      (d) => [
        zeros([2, 256, 64], d),
        full([2, 8], 0),
        full([2, 8], 0),
        random([2, 256, 64], d),
        random([64], d),
        random([64], d),
      ],
      (y, mean, rstd, x, weight, bias) => native.group_norm(y!, mean!, rstd!, x!, weight!, bias!, 1e-6, true),
    ),
  },
  softmax: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d)],
      (y, x) => native.softmax(y!, x!),
    ),
  },
  softmax_backward: {
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d), random([T, C], d)],
      (dx, dy, y) => native.softmax_backward(dx!, dy!, y!),
    ),
  },
  cross_entropy: {
    prepare: on(
      (d) => [full([16], 0), full([16], 0), random([16, 16384], d), permutation(16)],
      (losses, lse, logits, labels) =>
        native.cross_entropy(losses!, undefined, lse!, logits!, labels!, undefined, 0, 0),
    ),
  },
  cross_entropy_backward: {
    prepare: on(
      (d) => [zeros([16, 16384], d), full([16], 1), random([16, 16384], d), full([16], 1), permutation(16)],
      (dlogits, dlosses, logits, lse, labels) =>
        native.cross_entropy_backward(dlogits!, dlosses!, undefined, logits!, lse!, labels!, undefined, 0, 0),
    ),
  },
  argmax: {
    prepare: on(
      (d) => [ints([0, 0, 0, 0]), random([4, 16384], d)],
      (ids, logits) => native.argmax(ids!, logits!),
    ),
  },
  normal: {
    // Seeds and rows of images.
    most: 1.45,
    prepare: on(
      (d) => [zeros([T, C], d), imageRows(), seeds()],
      (y, rows, seeds) => native.normal(y!, rows!, seeds!, 1),
    ),
  },
  add_noise: {
    most: 1.3,
    prepare: on(
      (d) => [zeros([T, C], d), random([T, C], d), imageRows(), perImage(), perImage(), seeds()],
      (xt, x0, rows, alpha, sigma, seeds) => native.add_noise(xt!, x0!, rows!, alpha!, sigma!, seeds!),
    ),
  },
  diffusion_loss: {
    most: 1.3,
    prepare: on(
      (d) => [
        perImage(),
        random([T, C], d),
        random([T, C], d),
        imageRows(),
        perImage(),
        perImage(),
        perImage(),
        seeds(),
      ],
      (losses, prediction, x0, rows, targetX0, targetEps, weight, seeds) =>
        native.diffusion_loss(losses!, prediction!, x0!, rows!, targetX0!, targetEps!, weight!, seeds!),
    ),
  },
  gradient_norm: {
    dtypes: ['f32'],
    prepare: on(
      () => [finite(), random([T, C], 'f32')],
      (clip, gradients) => native.gradient_norm(clip!, gradients!, 1),
    ),
  },
  adamw: {
    dtypes: ['f32'],
    prepare: on(
      () => [...[1, 2, 3, 4].map(() => full([T * C], 0.1)), finite(), ints([1])],
      (parameters, first, second, gradients, clip, steps) =>
        native.adamw(parameters!, first!, second!, gradients!, clip!, steps!, 1e-3, 0.9, 0.99, 1e-8, 0.1),
    ),
  },
  muon_momentum: {
    // The direction is read and written again once its norm is known.
    most: 1.7,
    prepare: on(
      (d) => [full([T, C], 0.1), zeros([T, C], d), full([T, C], 0.1), finite()],
      (momentum, direction, gradients, clip) =>
        native.muon_momentum(momentum!, direction!, gradients!, clip!, 0.9),
    ),
  },
  muon_update: {
    prepare: on(
      (d) => [full([T, C], 0.1), random([T, C], d), finite()],
      (parameters, direction, clip) => native.muon_update(parameters!, direction!, clip!, 1e-3, 1, 0.1),
    ),
  },
  ema: {
    dtypes: ['f32'],
    prepare: on(
      () => [full([T * C], 0.1), ints([1]), full([T * C], 0.2)],
      (average, updates, values) => native.ema(average!, updates!, values!, 0.99),
    ),
  },
  swap: {
    dtypes: ['f32'],
    prepare: on(
      () => [full([T * C], 0.1), full([T * C], 0.2)],
      (a, b) => native.swap(a!, b!),
    ),
  },
}

interface Launch {
  kernel: string
  warp_instructions: number
  global_requests: number
  global_sectors: number
  global_bytes: number
  shared_wavefronts: number
  shared_ideal_wavefronts: number
}

const launches = (): Launch[] =>
  existsSync(lines)
    ? readFileSync(lines, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Launch)
    : []

/** What the report shows of each kernel. */
const table: Record<string, unknown>[] = []

async function measure(name: string, { prepare }: Case, dtype: DType) {
  const call = prepare(dtype)
  await fence()
  const before = launches().length
  const profile = startProfile()
  call()
  await fence()
  const kernel = (await profile.stop()).kernels.find((kernel) => kernel.name === name)!
  const made = launches().slice(before)
  const sum = (field: Exclude<keyof Launch, 'kernel'>) =>
    made.reduce((total, launch) => total + launch[field], 0)
  const row = {
    kernel: name,
    dtype,
    launches: made.map(({ kernel }) => kernel),
    ideal_bytes: kernel.bytesRead + kernel.bytesWritten,
    sector_bytes: 32 * sum('global_sectors'),
    requested_bytes: sum('global_bytes'),
    requests: sum('global_requests'),
    warp_instructions: sum('warp_instructions'),
    shared_wavefronts: sum('shared_wavefronts'),
    shared_ideal_wavefronts: sum('shared_ideal_wavefronts'),
  }
  table.push(row)
  return row
}

describe('kernels that memory bounds move each byte once', () => {
  it.each(
    Object.entries(cases).flatMap(([name, one]) =>
      (one.dtypes ?? (['f32', 'bf16'] as const)).map((dtype) => [name, dtype, one] as const),
    ),
  )('%s, %s', async (name, dtype, one) => {
    const row = await measure(name, one, dtype)
    expect(row.launches).not.toEqual([])
    expect.soft(row.sector_bytes / row.ideal_bytes, 'bytes').toBeLessThan(one.most ?? 1.05)
    expect
      .soft(row.sector_bytes / row.requested_bytes, 'sectors of what is asked for')
      .toBeLessThan(one.sectors ?? 1.05)
    expect.soft(row.shared_wavefronts, 'conflicts of banks').toBe(row.shared_ideal_wavefronts)
  })

  afterAll(() => {
    const folder = fileURLToPath(new URL('../../build/cuda/', import.meta.url))
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'counters.json'), `${JSON.stringify(table, null, 1)}\n`)
  })
})
