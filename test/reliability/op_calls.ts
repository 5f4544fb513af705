import * as library from '../../lib/index.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'

/** A call of an op that is right, of which others are made that are not. */
export interface OpCall {
  /** As the op calls itself in errors. */
  name: string
  /** As the kernel calls itself that finds what only the data shows, where that is another name. */
  kernel?: string
  run: (...args: never[]) => unknown
  /** Makes the arguments anew. */
  arguments: () => unknown[]
}

const floats = (...shape: number[]): Tensor => {
  const count = shape.reduce((a, b) => a * b, 1)
  return fromArray(
    Float32Array.from({ length: count }, (_, i) => Math.sin(i + 1)),
    shape,
  )
}
const ints = (...values: number[]): Tensor => fromArray(Int32Array.from(values))
const seeds = (rows: number): Tensor => fromArray(new Int32Array(rows * 4).fill(3), [rows, 4])
const spans = () => ({
  keyStart: ints(0, 0, 0, 3, 3),
  keyEnd: ints(3, 3, 3, 4, 5),
  queryRows: ints(0, 5),
  keyRows: ints(0, 5),
})
const images = () => ({ imageRows: ints(0, 4, 8), seeds: seeds(2) })
const perImage = () => floats(2)

/** One for every op that the library exports; a test holds the list to be complete. */
export const opCalls: Record<string, Omit<OpCall, 'run'>> = {
  add: { name: 'add', arguments: () => [floats(3, 4), floats(4)] },
  mul: { name: 'mul', arguments: () => [floats(3, 4), floats(4)] },
  scale: { name: 'scale', arguments: () => [floats(3), 2] },
  cast: { name: 'cast', arguments: () => [floats(3), 'bf16'] },
  concat: { name: 'concat', arguments: () => [[floats(2, 3), floats(1, 3)], 0] },
  split: { name: 'split', arguments: () => [floats(5, 3), [2, 3], 0] },
  reshape: { name: 'reshape', arguments: () => [floats(2, 3), [3, 2]] },
  transpose: { name: 'transpose', arguments: () => [floats(2, 3), 0, 1] },
  sum: { name: 'sum', arguments: () => [floats(2, 3), [1], true] },
  mean: { name: 'mean', arguments: () => [floats(2, 3), [1]] },
  broadcastTo: { name: 'broadcast_to', arguments: () => [floats(1, 3), [2, 3]] },
  matmul: { name: 'matmul', arguments: () => [floats(2, 3, 4), floats(2, 4, 5), { transposeA: false }] },
  linear: { name: 'linear', arguments: () => [floats(3, 4), floats(5, 4), floats(5), { dtype: 'f32' }] },
  embedding: { name: 'embedding', arguments: () => [floats(7, 4), ints(0, 6, -1)] },
  gatherRows: { name: 'gather_rows', arguments: () => [floats(7, 4), ints(0, 6, -1)] },
  scatterAddRows: { name: 'scatter_add_rows', arguments: () => [floats(7, 4), floats(2, 4), ints(6, 0)] },
  writeRows: { name: 'write_rows', arguments: () => [zeros([7, 4]), floats(2, 4), ints(6, 0)] },
  rmsNorm: { name: 'rms_norm', arguments: () => [floats(3, 8), floats(8), 1e-5] },
  ropeTable: { name: 'rope_table', arguments: () => [floats(5, 3), floats(4), ints(0, 1, 2, 0)] },
  splitRope: { name: 'split_rope', arguments: () => [floats(5, 6, 8), floats(5, 8), 4, 1] },
  attention: {
    name: 'attention',
    arguments: () => [floats(5, 4, 8), floats(5, 2, 8), floats(5, 2, 8), spans()],
  },
  conv2d: {
    name: 'conv2d',
    arguments: () => [
      floats(2, 5, 4, 6),
      floats(8, 3, 3, 3),
      floats(8),
      { stride: 2, padding: 1, groups: 2, residual: floats(2, 3, 2, 8) },
    ],
  },
  convTranspose2d: {
    name: 'conv_transpose2d',
    arguments: () => [floats(2, 3, 2, 4), floats(4, 2, 2, 5), { stride: 2 }],
  },
  groupNorm: {
    name: 'group_norm',
    arguments: () => [floats(2, 3, 3, 8), floats(8), floats(8), 4, { eps: 1e-5, silu: true }],
  },
  layerNorm: {
    name: 'layer_norm',
    arguments: () => [floats(3, 8), floats(8), floats(8), { eps: 1e-5, silu: true }],
  },
  upsampleNearest: { name: 'upsample_nearest', arguments: () => [floats(2, 3, 4, 5), 2] },
  averagePool: { name: 'average_pool', arguments: () => [floats(2, 6, 4, 5), 2] },
  silu: { name: 'silu', arguments: () => [floats(9)] },
  swiglu: { name: 'swiglu', arguments: () => [floats(3, 8)] },
  swigluLinear: { name: 'swiglu_linear', arguments: () => [floats(3, 8), floats(5, 4)] },
  softmax: { name: 'softmax', arguments: () => [floats(3, 8)] },
  crossEntropy: {
    name: 'cross_entropy',
    arguments: () => [floats(3, 8), ints(7, -1, 0), { weights: floats(3) }],
  },
  linearCrossEntropy: {
    name: 'linear_cross_entropy',
    kernel: 'cross_entropy',
    arguments: () => [
      floats(3, 4),
      floats(8, 4),
      ints(7, -1, 0),
      { weights: floats(3), labelSmoothing: 0.1, zLoss: 1e-4 },
    ],
  },
  penalizedCrossEntropy: {
    name: 'cross_entropy',
    arguments: () => [floats(3, 8), ints(7, -1, 0), { weights: floats(3), labelSmoothing: 0.1, zLoss: 1e-4 }],
  },
  argmax: { name: 'argmax', arguments: () => [floats(3, 8)] },
  sampleTokens: {
    name: 'sample_tokens',
    arguments: () => [
      floats(2, 8),
      {
        bias: floats(8),
        temperature: fromArray(Float32Array.of(0, 1)),
        topK: ints(0, 3),
        topP: fromArray(Float32Array.of(1, 0.5)),
        minP: fromArray(Float32Array.of(0, 0.1)),
        seeds: seeds(2),
      },
    ],
  },
  patchify: { name: 'patchify', arguments: () => [floats(24, 3), ints2(2, 4, 4, 4), 2] },
  unpatchify: { name: 'unpatchify', arguments: () => [floats(6, 12), ints2(2, 4, 4, 4), 2] },
  timestepEmbedding: { name: 'timestep_embedding', arguments: () => [floats(3), 8, { maxPeriod: 1000 }] },
  normal: { name: 'normal', arguments: () => [ints(0, 4, 8), seeds(2), 3, 8, 1] },
  addNoise: {
    name: 'add_noise',
    arguments: () => [floats(8, 3), ints(0, 4, 8), perImage(), perImage(), seeds(2)],
  },
  diffusionLoss: {
    name: 'diffusion_loss',
    arguments: () => [
      floats(8, 3),
      { ...images(), x0: floats(8, 3), targetX0: perImage(), targetEps: perImage(), weight: perImage() },
    ],
  },
  denoise: {
    name: 'denoise',
    arguments: () => [
      {
        ...images(),
        x: floats(8, 3),
        conditional: floats(8, 3),
        unconditional: floats(8, 3),
        previous: floats(8, 3),
        coefficients: floats(2, 7),
        clip: [-1, 1],
      },
    ],
  },
}

function ints2(...values: number[]): Tensor {
  return fromArray(Int32Array.from(values), [values.length / 2, 2])
}

const exports: Record<string, unknown> = { ...library }

export const callOf = (exported: string): OpCall => ({
  ...opCalls[exported]!,
  run: exports[exported] as OpCall['run'],
})
