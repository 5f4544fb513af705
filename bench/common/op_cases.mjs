// Calls of kernels bound by memory, on tensors far beyond the cache, each with the bytes that it must read and write once:
// what it could make with registers and a cache that holds a row, whatever the kernel does.
import { empty, fromArray, full } from '../../dist/entry/tensor.js'
import { native } from '../../dist/native.js'

const [T, C] = [16_384, 1024]
const N = T * C
const images = 64
const bytesOf = { f32: 4, bf16: 2 }

const ints = (count, valueOf) => fromArray(Int32Array.from({ length: count }, (_, i) => valueOf(i)))
/** A permutation of 0 .. count - 1: 7919 is prime to it. */
const shuffled = (count) => ints(count, (i) => (i * 7919) % count)
const floats = (count, value) => full([count], value)

/**
 * The cases of one dtype, by kernel: `make()` gives the arguments, tensors and scalars as the kernel takes them;
 * `bytes`: of a call.
 */
function casesOf(dtype) {
  const size = bytesOf[dtype]
  const x = (shape = [T, C]) => full(shape, 0.5, dtype)
  const y = (shape = [T, C]) => empty(shape, dtype)
  const acc = (shape) => full(shape, 0)
  const seeds = () =>
    fromArray(
      Int32Array.from({ length: 4 * images }, (_, i) => i),
      [images, 4],
    )
  const imageRows = () => ints(images + 1, (i) => (i * T) / images)
  const sizes = () =>
    fromArray(
      Int32Array.from({ length: 2 * images }, () => 16),
      [images, 2],
    )
  const perImage = (value) => floats(images, value)

  const [V, R] = [16_384, 1024]
  const [H, G, D] = [12, 2, 64]
  const qkv = [T, H + 2 * G, D]
  const table = () => full([T, D], 0.7)
  const maps = [images, 16, 16, C]
  const groups = 32
  const moments = () => full([images, groups], 0.5)
  const rows = () => floats(T, 0.5)

  /** Elements of the dtype, and bytes of others. */
  const bytes = (elements, others = 0) => elements * size + others
  return {
    fill: { bytes: bytes(N), make: () => [y(), 1] },
    add: { bytes: bytes(3 * N), make: () => [y(), x(), x()] },
    'add (a row to all)': { kernel: 'add', bytes: bytes(2 * N), make: () => [y(), x(), x([C])] },
    mul: { bytes: bytes(3 * N), make: () => [y(), x(), x()] },
    scale: { bytes: bytes(2 * N), make: () => [y(), x(), 0.5] },
    accumulate: { bytes: bytes(3 * N), make: () => [x(), x()] },
    cast: {
      bytes: 6 * N,
      make: () => [empty([T, C], dtype === 'f32' ? 'bf16' : 'f32'), x()],
    },
    sum_rows: { bytes: bytes(N), make: () => [acc([C]), x()] },
    slice: { bytes: bytes(N), make: () => [y([T, 1, C / 2]), x([T, 2, C / 2]), 1] },
    concat: { bytes: bytes(2 * N), make: () => [y([T, 2, C / 2]), [x([T, 1, C / 2]), x([T, 1, C / 2])]] },
    transpose: { bytes: bytes(2 * N), make: () => [y([C, T]), x(), 0, 1] },
    embedding: { bytes: bytes(2 * N), make: () => [y(), x(), shuffled(T)] },
    embedding_backward: { bytes: bytes(N, 8 * N), make: () => [acc([T, C]), x(), shuffled(T)] },
    gather_rows: { bytes: bytes(2 * N), make: () => [y(), x(), shuffled(T)] },
    scatter_add_rows: { bytes: bytes(3 * N), make: () => [x(), x(), shuffled(T)] },
    write_rows: { bytes: bytes(2 * N), make: () => [y(), x(), shuffled(T)] },
    rms_norm: { bytes: bytes(2 * N), make: () => [y(), rows(), x(), x([C]), 1e-5] },
    rms_norm_backward: { bytes: bytes(3 * N), make: () => [y(), acc([C]), x(), x(), x([C]), rows()] },
    layer_norm: { bytes: bytes(2 * N), make: () => [y(), rows(), rows(), x(), x([C]), x([C]), 1e-5, false] },
    layer_norm_backward: {
      bytes: bytes(3 * N),
      make: () => [y(), acc([C]), acc([C]), x(), x(), x([C]), x([C]), rows(), rows(), false],
    },
    group_norm: {
      bytes: bytes(2 * N),
      make: () => [y(maps), moments(), moments(), x(maps), x([C]), x([C]), 1e-5, false],
    },
    'group_norm (silu)': {
      kernel: 'group_norm',
      bytes: bytes(2 * N),
      make: () => [y(maps), moments(), moments(), x(maps), x([C]), x([C]), 1e-5, true],
    },
    group_norm_backward: {
      bytes: bytes(3 * N),
      make: () => [
        y(maps),
        acc([C]),
        acc([C]),
        x(maps),
        x(maps),
        x([C]),
        x([C]),
        moments(),
        moments(),
        false,
      ],
    },
    upsample_nearest: { bytes: bytes(1.25 * N), make: () => [y(maps), x([images, 8, 8, C]), 1] },
    sum_pool: { bytes: bytes(1.25 * N), make: () => [y([images, 8, 8, C]), x(maps), 1] },
    max_pool: { bytes: bytes(1.25 * N), make: () => [y([images, 8, 8, C]), x(maps), 2] },
    max_pool_backward: { bytes: bytes(2.25 * N), make: () => [y(maps), x([images, 8, 8, C]), x(maps), 2] },
    perceptual_distance: {
      bytes: bytes(2 * N),
      make: () => [perImage(0), x(maps), x(maps), floats(C, 0.5)],
    },
    perceptual_distance_backward: {
      bytes: bytes(3 * N),
      make: () => [y(maps), perImage(1), x(maps), x(maps), floats(C, 0.5)],
    },
    split_rope: {
      bytes: bytes(2 * T * (H + 2 * G) * D, 4 * T * D),
      make: () => [y([T, H, D]), y([T, G, D]), y([T, G, D]), x(qkv), table()],
    },
    split_rope_backward: {
      bytes: bytes(2 * T * (H + 2 * G) * D, 4 * T * D),
      make: () => [y(qkv), x([T, H, D]), x([T, G, D]), x([T, G, D]), table()],
    },
    leaky_relu: { bytes: bytes(2 * N), make: () => [y(), x(), 0.2] },
    leaky_relu_backward: { bytes: bytes(3 * N), make: () => [y(), x(), x(), 0.2] },
    silu: { bytes: bytes(2 * N), make: () => [y(), x()] },
    silu_backward: { bytes: bytes(3 * N), make: () => [y(), x(), x()] },
    swiglu: { bytes: bytes(1.5 * N), make: () => [y([T, C / 2]), x()] },
    swiglu_backward: { bytes: bytes(2.5 * N), make: () => [y(), x([T, C / 2]), x()] },
    softmax: { bytes: bytes(2 * N), make: () => [y(), x()] },
    softmax_backward: { bytes: bytes(3 * N), make: () => [y(), x(), x()] },
    cross_entropy: {
      bytes: bytes(R * V),
      make: () => [floats(R, 0), undefined, floats(R, 0), x([R, V]), shuffled(R), undefined, 0, 0],
    },
    cross_entropy_backward: {
      bytes: bytes(2 * R * V),
      make: () => [
        y([R, V]),
        floats(R, 1),
        undefined,
        x([R, V]),
        floats(R, 10),
        shuffled(R),
        undefined,
        0,
        0,
      ],
    },
    argmax: { bytes: bytes(R * V), make: () => [ints(R, () => 0), x([R, V])] },
    patchify: { bytes: bytes(2 * N), make: () => [y([T / 4, 4 * C]), x(), sizes(), 2] },
    unpatchify: { bytes: bytes(2 * N), make: () => [y(), x([T / 4, 4 * C]), sizes(), 2] },
    normal: { bytes: bytes(N), make: () => [y(), imageRows(), seeds(), 1] },
    add_noise: {
      bytes: bytes(2 * N),
      make: () => [y(), x(), imageRows(), perImage(0.8), perImage(0.6), seeds()],
    },
    pixel_error: {
      bytes: bytes(2 * N),
      make: () => [perImage(0), x([images, T / images, C]), x([images, T / images, C]), false],
    },
    pixel_error_backward: {
      bytes: bytes(3 * N),
      make: () => [
        y([images, T / images, C]),
        perImage(1),
        x([images, T / images, C]),
        x([images, T / images, C]),
        false,
      ],
    },
    sample_latents: {
      bytes: bytes(3 * (N / 2)),
      make: () => [y([images, N / 16 / images, 8]), perImage(0), x([images, N / 16 / images, 16]), seeds()],
    },
    sample_latents_backward: {
      bytes: bytes(5 * (N / 2)),
      make: () => [
        y([images, N / 16 / images, 16]),
        x([images, N / 16 / images, 8]),
        perImage(1),
        x([images, N / 16 / images, 16]),
        seeds(),
      ],
    },
    diffusion_loss: {
      bytes: bytes(2 * N),
      make: () => [perImage(0), x(), x(), imageRows(), perImage(0), perImage(1), perImage(1), seeds()],
    },
    diffusion_loss_backward: {
      bytes: bytes(3 * N),
      make: () => [y(), perImage(1), x(), x(), imageRows(), perImage(0), perImage(1), perImage(1), seeds()],
    },
    denoise: {
      bytes: bytes(5 * N),
      make: () => [y(), y(), x(), x(), x(), undefined, imageRows(), full([images, 7], 0.5), seeds(), -1, 1],
    },
  }
}

/** What the optimizer does, on f32 arenas. */
const optimizerCases = {
  gradient_norm: { bytes: 4 * N, make: () => [floats(3, 0), floats(N, 0.5), 1] },
  adamw: {
    bytes: 28 * N,
    make: () => [
      ...[0.5, 0.1, 0.1, 0.5].map((value) => floats(N, value)),
      floats(3, 1),
      ints(1, () => 1),
      1e-4,
      0.9,
      0.95,
      1e-8,
      0.1,
    ],
  },
  ema: { bytes: 12 * N, make: () => [floats(N, 0.5), ints(1, () => 0), floats(N, 0.25), 0.999] },
  swap: { bytes: 16 * N, make: () => [floats(N, 0.5), floats(N, 0.25)] },
  muon_momentum: {
    bytes: 16 * N,
    make: () => [full([T, C], 0.5), empty([T, C]), full([T, C], 0.5), floats(3, 1), 0.95],
  },
  muon_update: {
    bytes: 12 * N,
    make: () => [full([T, C], 0.5), full([T, C], 0.5), floats(3, 1), 1e-4, 1, 0.1],
  },
}

/** All cases: { op, kernel, dtype, bytes, make }. */
export function opCases() {
  const all = { f32: { ...casesOf('f32'), ...optimizerCases }, bf16: casesOf('bf16') }
  return Object.entries(all).flatMap(([dtype, cases]) =>
    Object.entries(cases).map(([op, { kernel = op, ...rest }]) => ({ op, kernel, dtype, ...rest })),
  )
}

const handleOf = (argument) =>
  Array.isArray(argument) ? argument.map(handleOf) : (argument?.handle ?? argument)

/** Enqueues a call with what `make` made. */
export const callKernel = (kernel, made) => native[kernel](...made.map(handleOf))
