import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { cast } from '../../lib/ops/cast.js'
import { elementsOf, type Shape } from '../../lib/tensor/shape.js'
import { fromArray, full, type Tensor } from '../../lib/tensor/tensor.js'
import { withDevice, type Device } from '../../lib/tensor/device.js'
import { randomArray, toTensor } from '../host_array.js'
import { compare } from '../check_op.js'

type DType = 'f32' | 'bf16'

/** Elements around what a kernel is given: of inputs and outputs alike. */
const margin = 16

/** Makes tensors that begin `offset` elements after an aligned address. */
class Views {
  readonly outputs: Tensor[] = []

  constructor(
    readonly dtype: DType,
    readonly offset: number,
  ) {}

  input(shape: Shape, dtype = this.dtype, seed = 1): Tensor {
    return toTensor(randomArray([elementsOf(shape) + 2 * margin], seed), dtype).view(shape, this.offset)
  }

  ints(values: readonly number[], shape: Shape = [values.length]): Tensor {
    const data = Int32Array.from({ length: values.length + margin }, (_, i) => values[i - this.offset] ?? 99)
    return fromArray(data).view(shape, this.offset)
  }

  /** Holds 0.5 where nothing is written. */
  output(shape: Shape, dtype = this.dtype): Tensor {
    const filled = full([elementsOf(shape) + 2 * margin], 0.5)
    const whole = dtype === 'bf16' ? cast(filled, dtype) : filled
    this.outputs.push(whole)
    return whole.view(shape, this.offset)
  }
}

/** Calls of kernels whose arguments are views; sizes are whole vectors of 16 bytes, or are not. */
const calls: Record<string, (views: Views, C: number) => void> = {
  fill: (views, C) => native.fill(views.output([3, C]).handle, 1.5),
  cast: (views, C) => {
    for (const from of ['f32', 'bf16'] as const)
      native.cast(views.output([3, C]).handle, views.input([3, C], from).handle)
    native.cast(views.output([3]).handle, views.ints([4, -5, 7]).handle)
  },
  scale: (views, C) => native.scale(views.output([3, C]).handle, views.input([3, C]).handle, 0.3),
  accumulate: (views, C) => {
    for (const from of ['f32', 'bf16'] as const)
      native.accumulate(views.output([3, C]).handle, views.input([3, C], from).handle)
  },
  add: (views, C) => {
    for (const shape of [[3, 5, C], [C], [5, 1], [3, 1, C]])
      native.add(views.output([3, 5, C]).handle, views.input([3, 5, C]).handle, views.input(shape).handle)
    native.add(views.output([4, C], 'f32').handle, views.input([C]).handle, views.input([4, 1]).handle)
  },
  mul: (views, C) =>
    native.mul(views.output([5, C]).handle, views.input([1, C]).handle, views.input([5, C]).handle),
  sum_to: (views, C) => {
    for (const shape of [
      [3, 1, C],
      [1, 70, 1],
      [1, 1, C],
      [3, 1, 1],
    ])
      native.sum_to(views.output(shape).handle, views.input([3, 70, C]).handle, 0.5)
    native.sum_to(views.output([1, 1]).handle, views.input([200, C * 5]).handle, 0.5)
  },
  broadcast_to: (views, C) => {
    for (const shape of [
      [3, 1, C],
      [1, 7, 1],
    ])
      native.broadcast_to(views.output([3, 7, C]).handle, views.input(shape).handle, 0.5)
  },
  sum_rows: (views, C) => native.sum_rows(views.output([C], 'f32').handle, views.input([300, C]).handle),
  concat: (views, C) =>
    native.concat(
      views.output([3, 7, C]).handle,
      [2, 1, 4].map((n) => views.input([3, n, C], views.dtype, n).handle),
    ),
  slice: (views, C) => native.slice(views.output([3, 2, C]).handle, views.input([3, 7, C]).handle, 4),
  transpose: (views, C) => {
    native.transpose(views.output([2, C, 3, 70]).handle, views.input([2, 70, 3, C]).handle, 1, 3)
    native.transpose(views.output([C, 70]).handle, views.input([70, C]).handle, 0, 1)
    native.transpose(views.output([5, 3, C]).handle, views.input([3, 5, C]).handle, 1, 0)
  },
  embedding: (views, C) =>
    native.embedding(
      views.output([5, C]).handle,
      views.input([9, C]).handle,
      views.ints([8, -1, 0, 8, 3]).handle,
    ),
  embedding_backward: (views, C) =>
    native.embedding_backward(
      views.output([300, C], 'f32').handle,
      views.input([700, C]).handle,
      views.ints(Array.from({ length: 700 }, (_, i) => (i % 3 ? (i * 37) % 300 : 17))).handle,
    ),
  scatter_add_rows: (views, C) =>
    native.scatter_add_rows(
      views.output([6, C]).handle,
      views.input([70, C]).handle,
      views.ints(Array.from({ length: 70 }, (_, i) => ((i * 5) % 7) - 1)).handle,
    ),
  write_rows: (views, C) => {
    for (const count of [5, 2100])
      native.write_rows(
        views.output([40, C]).handle,
        views.input([count, C]).handle,
        views.ints(Array.from({ length: count }, (_, i) => ((i * 5) % 39) - 1)).handle,
      )
  },
  rope_table: (views, C) =>
    native.rope_table(
      views.output([5, 2 * C], 'f32').handle,
      views.input([5, 2], 'f32').handle,
      views.input([C], 'f32').handle,
      views.ints(Array.from({ length: C }, (_, i) => i % 2)).handle,
    ),
  split_rope: (views, C) =>
    native.split_rope(
      views.output([5, 3, 2 * C]).handle,
      views.output([5, 2, 2 * C]).handle,
      views.output([5, 2, 2 * C]).handle,
      views.input([5, 7, 2 * C]).handle,
      views.input([5, 2 * C], 'f32', 2).handle,
    ),
  split_rope_backward: (views, C) =>
    native.split_rope_backward(
      views.output([5, 7, 2 * C]).handle,
      views.input([5, 3, 2 * C]).handle,
      views.input([5, 2, 2 * C], views.dtype, 2).handle,
      views.input([5, 2, 2 * C], views.dtype, 3).handle,
      views.input([5, 2 * C], 'f32', 4).handle,
    ),
  upsample_nearest: (views, C) =>
    native.upsample_nearest(views.output([2, 9, 6, C]).handle, views.input([2, 3, 2, C]).handle, 0.5),
  sum_pool: (views, C) =>
    native.sum_pool(views.output([2, 3, 2, C]).handle, views.input([2, 9, 6, C]).handle, 0.5),
  silu: (views, C) => native.silu(views.output([3, C]).handle, views.input([3, C]).handle),
  silu_backward: (views, C) =>
    native.silu_backward(
      views.output([3, C]).handle,
      views.input([3, C]).handle,
      views.input([3, C], views.dtype, 2).handle,
    ),
  swiglu: (views, C) => native.swiglu(views.output([3, C]).handle, views.input([3, 2 * C]).handle),
  swiglu_backward: (views, C) =>
    native.swiglu_backward(
      views.output([3, 2 * C]).handle,
      views.input([3, C]).handle,
      views.input([3, 2 * C], views.dtype, 2).handle,
    ),
  patchify: (views, C) =>
    native.patchify(
      views.output([11, 4 * C]).handle,
      views.input([44, C]).handle,
      views.ints([4, 6, 0, 4, 2, 4, 6, 2], [4, 2]).handle,
      2,
    ),
  unpatchify: (views, C) =>
    native.unpatchify(
      views.output([44, C]).handle,
      views.input([11, 4 * C]).handle,
      views.ints([4, 6, 0, 4, 2, 4, 6, 2], [4, 2]).handle,
      2,
    ),
  timestep_embedding: (views, C) =>
    native.timestep_embedding(
      views.output([3, C]).handle,
      full([20], 37.5).view([3], views.offset).handle,
      1e4,
    ),
}

/** Fails unless bf16 values are the same or neighbours, f32 values within the tolerance of sums. */
function checkAgreement(what: string, received: Float32Array, wanted: Float32Array, dtype: DType) {
  if (dtype === 'f32') return compare(what, received, wanted, dtype)
  const apart = wanted.findIndex(
    (value, i) => !(Math.abs(received[i]! - value) <= 2 ** -7 * Math.abs(value) + 1e-6),
  )
  expect(apart, `${what}: element ${apart} is ${received[apart]}, that of the CPU ${wanted[apart]}`).toBe(-1)
}

/** The dtypes and values of what a call wrote to, with what is around it. */
function run(device: Device, call: (views: Views) => void, dtype: DType, offset: number) {
  const views = new Views(dtype, offset)
  withDevice(device, () => call(views))
  return Promise.all(
    views.outputs.map(async (whole) => ({ dtype: whole.dtype as DType, values: await whole.readFloats() })),
  )
}

describe('kernels on views that begin anywhere agree with those of the CPU and leave what is beside alone', () => {
  it.each(Object.entries(calls))('%s', async (_, call) => {
    for (const dtype of ['f32', 'bf16'] as const)
      for (const offset of [0, 1, 2, 7, 8])
        for (const C of offset === 0 ? [1, 3, 31, 64] : [6, 64]) {
          const [wanted, received] = await Promise.all(
            (['cpu', 'cuda'] as const).map((device) => run(device, (views) => call(views, C), dtype, offset)),
          )
          wanted!.forEach((output, i) =>
            checkAgreement(
              `${dtype} at ${offset}, ${C}: ${i}`,
              received![i]!.values,
              output.values,
              output.dtype,
            ),
          )
        }
  })
})
