import * as library from '../../lib/entry/tensor.js'
import { cast } from '../../lib/ops/cast.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'

/** What a size of 0 makes of an op's results and gradients that still have elements; 'zero' by default. */
export type WhenNone = 'zero' | 'finite' | 'NaN' | 'refused'

interface Details<S extends string> {
  /** As the kernel calls itself that finds what only the data shows, where that is another name than the op's. */
  kernel?: string
  /** Where a size of 0 gives anything but zeros. */
  none?: Partial<Record<S, WhenNone>>
  /** The arguments that it has derivatives for, by place; all by default, and tensors within them too. */
  gradients?: number[]
  /** Options, or arguments by place, that have the dtype of these arguments, and no derivatives. */
  alike?: string[]
}

/** A call of an op that is right, of which others are made that are not. */
export interface OpCall extends Details<string> {
  /** As the op calls itself in errors. */
  name: string
  run: (...args: never[]) => unknown
  sizes: Readonly<Record<string, number>>
  /** Makes the arguments anew, some of the sizes changed. */
  arguments: (changed?: Readonly<Record<string, number>>) => unknown[]
}

const valuesOf = (wave: (angle: number) => number, shape: readonly number[]): Tensor => {
  const count = shape.reduce((a, b) => a * b, 1)
  return fromArray(
    Float32Array.from({ length: count }, (_, i) => wave(i + 1)),
    shape,
  )
}
const floats = (...shape: number[]): Tensor => valuesOf(Math.sin, shape)
/** Other values than `floats`. */
const cosines = (...shape: number[]): Tensor => valuesOf(Math.cos, shape)
const repeated = (value: number, count: number): number[] => Array<number>(count).fill(value)
const ints = (...values: number[]): Tensor => fromArray(Int32Array.from(values))
const seeds = (rows: number): Tensor => fromArray(new Int32Array(rows * 4).fill(3), [rows, 4])
/** N of them among `count`: the last, the first and none in turn; none of none. */
const indices = (N: number, count: number): Tensor =>
  ints(...Array.from({ length: N }, (_, i) => [count - 1, Math.min(0, count - 1), -1][i % 3]!))
/** N images of S rows. */
const images = (N: number, S: number) => ({
  imageRows: ints(...Array.from({ length: N + 1 }, (_, i) => i * S)),
  seeds: seeds(N),
})
/** B sequences of T queries and K keys; all see every key of theirs. */
const spans = (B: number, T: number, K: number) => ({
  keyStart: ints(...repeated(0, B * T)),
  keyEnd: ints(...repeated(K, B * T)),
  queryRows: ints(...Array.from({ length: B + 1 }, (_, b) => b * T)),
  keyRows: ints(...Array.from({ length: B + 1 }, (_, b) => b * K)),
})
const sizesOf = (N: number, H: number, W: number): Tensor =>
  fromArray(
    Int32Array.from({ length: 2 * N }, (_, i) => (i % 2 ? W : H)),
    [N, 2],
  )

function call<S extends string>(
  name: string,
  sizes: Record<S, number>,
  make: (sizes: Record<S, number>) => unknown[],
  details: Details<S> = {},
): Omit<OpCall, 'run'> {
  return { name, sizes, arguments: (changed) => make({ ...sizes, ...changed }), ...details }
}

/** One for every op that the library exports; a test holds the list to be complete. */
export const opCalls: Record<string, Omit<OpCall, 'run'>> = {
  add: call('add', { M: 3, N: 4 }, ({ M, N }) => [floats(M, N), floats(N)]),
  mul: call('mul', { M: 3, N: 4 }, ({ M, N }) => [floats(M, N), floats(N)]),
  scale: call('scale', { N: 3 }, ({ N }) => [floats(N), 2]),
  cast: call('cast', { N: 3 }, ({ N }) => [floats(N), 'bf16']),
  concat: call('concat', { L: 2, M: 1, N: 3 }, ({ L, M, N }) => [[floats(L, N), floats(M, N)], 0], {
    none: { L: 'finite', M: 'finite' },
  }),
  split: call('split', { L: 2, M: 3, N: 3 }, ({ L, M, N }) => [floats(L + M, N), [L, M], 0], {
    none: { L: 'finite', M: 'finite' },
  }),
  reshape: call('reshape', { M: 2, N: 3 }, ({ M, N }) => [floats(M, N), [N, M]]),
  transpose: call('transpose', { L: 2, M: 3, N: 4 }, ({ L, M, N }) => [floats(L, M, N), 0, 1]),
  sum: call('sum', { M: 2, N: 3 }, ({ M, N }) => [floats(M, N), [1], true]),
  mean: call('mean', { M: 2, N: 3 }, ({ M, N }) => [floats(M, N), [1]], { none: { N: 'NaN' } }),
  broadcastTo: call('broadcast_to', { M: 2, N: 3 }, ({ M, N }) => [floats(1, N), [M, N]]),
  matmul: call('matmul', { B: 2, M: 3, K: 4, N: 5 }, ({ B, M, K, N }) => [
    floats(B, M, K),
    floats(B, K, N),
    { transposeA: false },
  ]),
  linear: call(
    'linear',
    { T: 3, C: 4, O: 5 },
    ({ T, C, O }) => [floats(T, C), floats(O, C), floats(O), { dtype: 'f32' }],
    { none: { C: 'finite' } },
  ),
  embedding: call('embedding', { V: 7, C: 4, T: 3 }, ({ V, C, T }) => [floats(V, C), indices(T, V)]),
  gatherRows: call('gather_rows', { R: 7, C: 4, T: 3 }, ({ R, C, T }) => [floats(R, C), indices(T, R)]),
  scatterAddRows: call(
    'scatter_add_rows',
    { R: 7, C: 4, T: 2 },
    ({ R, C, T }) => [floats(R, C), floats(T, C), indices(T, R)],
    { none: { T: 'finite' } },
  ),
  writeRows: call(
    'write_rows',
    { R: 7, C: 4, T: 2 },
    ({ R, C, T }) => [zeros([R, C]), floats(T, C), indices(T, R)],
    { gradients: [] },
  ),
  rmsNorm: call('rms_norm', { T: 3, C: 8 }, ({ T, C }) => [floats(T, C), floats(C), 1e-5]),
  ropeTable: call(
    'rope_table',
    { T: 5, A: 3, F: 4 },
    ({ T, A, F }) => [floats(T, A), floats(F), ints(...repeated(A - 1, F))],
    { none: { A: 'refused' }, gradients: [] },
  ),
  splitRope: call(
    'split_rope',
    { T: 5, H: 4, G: 1, F: 4 },
    ({ T, H, G, F }) => [floats(T, H + 2 * G, 2 * F), floats(T, 2 * F), H, G],
    { none: { H: 'refused', G: 'refused' }, gradients: [0] },
  ),
  attention: call(
    'attention',
    { B: 2, T: 3, K: 4, G: 2, R: 2, D: 8 },
    ({ B, T, K, G, R, D }) => [
      floats(B * T, G * R, D),
      floats(B * K, G, D),
      floats(B * K, G, D),
      spans(B, T, K),
    ],
    { none: { K: 'refused', G: 'refused', D: 'refused' } },
  ),
  conv2d: call(
    'conv2d',
    { N: 2, H: 5, W: 4, C: 3, O: 4, K: 3 },
    ({ N, H, W, C, O, K }) => [
      floats(N, H, W, 2 * C),
      floats(2 * O, K, K, C),
      floats(2 * O),
      {
        stride: 2,
        padding: 1,
        groups: 2,
        residual: floats(N, Math.floor((H + 2 - K) / 2) + 1, Math.floor((W + 2 - K) / 2) + 1, 2 * O),
      },
    ],
    { none: { H: 'refused', W: 'refused', C: 'refused', O: 'refused', K: 'refused' } },
  ),
  convTranspose2d: call(
    'conv_transpose2d',
    { N: 2, H: 3, W: 2, C: 4, K: 2, O: 5 },
    ({ N, H, W, C, K, O }) => [floats(N, H, W, C), floats(C, K, K, O), { stride: 2 }],
    { none: { H: 'refused', W: 'refused', C: 'refused', K: 'refused', O: 'refused' } },
  ),
  groupNorm: call(
    'group_norm',
    { N: 2, H: 3, W: 3, C: 2 },
    ({ N, H, W, C }) => [floats(N, H, W, 4 * C), floats(4 * C), floats(4 * C), 4, { eps: 1e-5, silu: true }],
    { none: { C: 'refused' } },
  ),
  layerNorm: call('layer_norm', { T: 3, C: 8 }, ({ T, C }) => [
    floats(T, C),
    floats(C),
    floats(C),
    { eps: 1e-5, silu: true },
  ]),
  upsampleNearest: call('upsample_nearest', { N: 2, H: 3, W: 4, C: 5 }, ({ N, H, W, C }) => [
    floats(N, H, W, C),
    2,
  ]),
  averagePool: call('average_pool', { N: 2, H: 3, W: 2, C: 5 }, ({ N, H, W, C }) => [
    floats(N, 2 * H, 2 * W, C),
    2,
  ]),
  leakyRelu: call('leaky_relu', { N: 9 }, ({ N }) => [floats(N), 0.2]),
  maxPool: call('max_pool', { N: 2, H: 3, W: 4, C: 5 }, ({ N, H, W, C }) => [floats(N, H, W, C), 2], {
    none: { H: 'refused', W: 'refused' },
  }),
  perceptualDistance: call(
    'perceptual_distance',
    { N: 2, H: 3, W: 4, C: 5 },
    ({ N, H, W, C }) => [floats(N, H, W, C), { b: floats(N, H, W, C), weight: floats(C) }],
    { gradients: [0], alike: ['b'] },
  ),
  silu: call('silu', { N: 9 }, ({ N }) => [floats(N)]),
  swiglu: call('swiglu', { T: 3, F: 4 }, ({ T, F }) => [floats(T, 2 * F)]),
  swigluLinear: call('swiglu_linear', { T: 3, F: 4, O: 5 }, ({ T, F, O }) => [
    floats(T, 2 * F),
    floats(O, F),
  ]),
  softmax: call('softmax', { T: 3, C: 8 }, ({ T, C }) => [floats(T, C)]),
  crossEntropy: call(
    'cross_entropy',
    { T: 3, V: 8 },
    ({ T, V }) => [floats(T, V), indices(T, V), { weights: floats(T) }],
    { gradients: [0] },
  ),
  linearCrossEntropy: call(
    'linear_cross_entropy',
    { T: 3, C: 4, V: 8 },
    ({ T, C, V }) => [
      floats(T, C),
      floats(V, C),
      indices(T, V),
      { weights: floats(T), labelSmoothing: 0.1, zLoss: 1e-4 },
    ],
    { kernel: 'cross_entropy', none: { C: 'finite' }, gradients: [0, 1] },
  ),
  penalizedCrossEntropy: call(
    'cross_entropy',
    { T: 3, V: 8 },
    ({ T, V }) => [floats(T, V), indices(T, V), { weights: floats(T), labelSmoothing: 0.1, zLoss: 1e-4 }],
    { gradients: [0] },
  ),
  argmax: call('argmax', { B: 3, V: 8 }, ({ B, V }) => [floats(B, V)], {
    none: { V: 'refused' },
    gradients: [],
  }),
  sampleTokens: call(
    'sample_tokens',
    { B: 2, V: 8 },
    ({ B, V }) => [
      floats(B, V),
      {
        bias: floats(V),
        temperature: fromArray(Float32Array.from({ length: B }, (_, i) => i)),
        topK: ints(...Array.from({ length: B }, (_, i) => 3 * i)),
        topP: fromArray(Float32Array.from({ length: B }, (_, i) => 1 / (1 + i))),
        minP: fromArray(Float32Array.from({ length: B }, (_, i) => i / 10)),
        seeds: seeds(B),
      },
    ],
    { none: { V: 'refused' }, gradients: [] },
  ),
  patchify: call('patchify', { N: 2, H: 1, W: 2, C: 3 }, ({ N, H, W, C }) => [
    floats(N * 4 * H * W, C),
    sizesOf(N, 2 * H, 2 * W),
    2,
  ]),
  unpatchify: call('unpatchify', { N: 2, H: 1, W: 2, C: 3 }, ({ N, H, W, C }) => [
    floats(N * H * W, 4 * C),
    sizesOf(N, 2 * H, 2 * W),
    2,
  ]),
  timestepEmbedding: call(
    'timestep_embedding',
    { N: 3, C: 8 },
    ({ N, C }) => [cast(ints(...Array(N).keys()), 'f32'), C, { maxPeriod: 1000 }],
    {
      none: { C: 'refused' },
      gradients: [],
    },
  ),
  normal: call(
    'normal',
    { N: 2, S: 4, C: 3 },
    ({ N, S, C }) => [images(N, S).imageRows, seeds(N), C, N * S, 1],
    { none: { C: 'refused' }, gradients: [] },
  ),
  addNoise: call(
    'add_noise',
    { N: 2, S: 4, C: 3 },
    ({ N, S, C }) => [floats(N * S, C), images(N, S).imageRows, floats(N), floats(N), seeds(N)],
    { gradients: [] },
  ),
  diffusionLoss: call(
    'diffusion_loss',
    { N: 2, S: 4, C: 3 },
    ({ N, S, C }) => [
      floats(N * S, C),
      {
        ...images(N, S),
        x0: floats(N * S, C),
        targetX0: floats(N),
        targetEps: floats(N),
        weight: floats(N),
      },
    ],
    { gradients: [0], alike: ['x0'] },
  ),
  pixelError: call(
    'pixel_error',
    { N: 2, S: 3, C: 4 },
    ({ N, S, C }) => [floats(N, S, C), cosines(N, S, C), 'squared'],
    { gradients: [0], alike: ['1'] },
  ),
  sampleLatents: call(
    'sample_latents',
    { N: 2, S: 3, L: 4 },
    ({ N, S, L }) => [floats(N, S, 2 * L), seeds(N)],
    { gradients: [0] },
  ),
  straightThrough: call('straight_through', { M: 2, N: 3 }, ({ M, N }) => [floats(M, N), cosines(M, N)], {
    gradients: [0],
    alike: ['1'],
  }),
  codeUsage: call('code_usage', { K: 7 }, ({ K }) => [floats(K), 0.5], { gradients: [] }),
  denoise: call(
    'denoise',
    { N: 2, S: 4, C: 3 },
    ({ N, S, C }) => [
      {
        ...images(N, S),
        x: floats(N * S, C),
        conditional: floats(N * S, C),
        unconditional: floats(N * S, C),
        previous: floats(N * S, C),
        coefficients: floats(N, 7),
        clip: [-1, 1],
      },
    ],
    { gradients: [] },
  ),
}

const exports: Record<string, unknown> = { ...library }

export const callOf = (exported: string): OpCall => ({
  ...opCalls[exported]!,
  run: exports[exported] as OpCall['run'],
})
