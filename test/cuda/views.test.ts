import { native } from '../../lib/native.js'
import { full, type Tensor } from '../../lib/tensor/tensor.js'
import { checkCalls, type Views } from './views.js'

/** Of codes, half of which are not used. */
const countsOf = (views: Views, K: number): Tensor => {
  const counts = views.ints(Array.from({ length: K }, (_, k) => (k % 2) * (k % 7)))
  const floats = views.output([K], 'f32')
  native.cast(floats.handle, counts.handle)
  return floats
}

checkCalls({
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
  code_usage: (views, C) => {
    for (const K of [C, 70 * C])
      native.code_usage(
        views.output([1], 'f32').handle,
        views.output([1], 'f32').handle,
        countsOf(views, K).handle,
        0.5,
      )
  },
  restart_codes: (views, C) => {
    for (const taken of [0, 1]) {
      const unused = views.ints(Array.from({ length: C }, (_, k) => k % 4))
      const rows = views.ints(Array<number>(C).fill(0))
      native.restart_codes(
        unused.handle,
        views.state([C], 'f32').handle,
        rows.handle,
        countsOf(views, C).handle,
        full([1], taken).handle,
        views.ints([1, 2, 3, 4], [1, 4]).handle,
        70,
        3,
        0.9,
      )
      for (const written of [unused, rows]) native.cast(views.output([C], 'f32').handle, written.handle)
    }
  },
  replace_rows: (views, C) =>
    native.replace_rows(
      views.state([7, C], 'f32').handle,
      views.input([5, C], 'f32', 2).handle,
      views.ints([4, -1, 0, 3, 3, -1, 2]).handle,
    ),
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
  split_norm_rope: (views, C) =>
    native.split_norm_rope(
      views.output([5, 3, 2 * C]).handle,
      views.output([5, 2, 2 * C]).handle,
      views.output([5, 2, 2 * C]).handle,
      views.output([5, 5], 'f32').handle,
      views.input([5, 7, 2 * C]).handle,
      views.input([5, 2 * C], 'f32', 2).handle,
      views.ints([3, 1, 4, 0, 2]).handle,
      views.input([2 * C], views.dtype, 3).handle,
      views.input([2 * C], views.dtype, 4).handle,
      1e-5,
    ),
  split_norm_rope_backward: (views, C) =>
    native.split_norm_rope_backward(
      views.output([5, 7, 2 * C]).handle,
      views.output([2 * C], 'f32').handle,
      views.output([2 * C], 'f32').handle,
      views.input([5, 3, 2 * C]).handle,
      views.input([5, 2, 2 * C], views.dtype, 2).handle,
      views.input([5, 2, 2 * C], views.dtype, 3).handle,
      views.input([5, 2 * C], 'f32', 4).handle,
      views.ints([3, 1, 4, 0, 2]).handle,
      views.input([5, 7, 2 * C], views.dtype, 5).handle,
      views.input([2 * C], views.dtype, 6).handle,
      views.input([2 * C], views.dtype, 7).handle,
      views.input([5, 5], 'f32', 8).handle,
    ),
  upsample_nearest: (views, C) =>
    native.upsample_nearest(views.output([2, 9, 6, C]).handle, views.input([2, 3, 2, C]).handle, 0.5),
  sum_pool: (views, C) =>
    native.sum_pool(views.output([2, 3, 2, C]).handle, views.input([2, 9, 6, C]).handle, 0.5),
  leaky_relu: (views, C) => native.leaky_relu(views.output([3, C]).handle, views.input([3, C]).handle, 0.2),
  leaky_relu_backward: (views, C) =>
    native.leaky_relu_backward(
      views.output([3, C]).handle,
      views.input([3, C]).handle,
      views.input([3, C], views.dtype, 2).handle,
      0.2,
    ),
  max_pool: (views, C) =>
    native.max_pool(views.output([2, 3, 2, C]).handle, views.input([2, 7, 5, C]).handle, 2),
  max_pool_backward: (views, C) => {
    for (const window of [2, 3])
      native.max_pool_backward(
        views.output([2, 7, 5, C]).handle,
        views.input([2, Math.floor(7 / window), Math.floor(5 / window), C]).handle,
        views.input([2, 7, 5, C], views.dtype, 2).handle,
        window,
      )
  },
  perceptual_distance: (views, C) =>
    native.perceptual_distance(
      views.output([2], 'f32').handle,
      views.input([2, 7, 5, C]).handle,
      views.input([2, 7, 5, C], views.dtype, 2).handle,
      views.input([C], 'f32', 3).handle,
    ),
  perceptual_distance_backward: (views, C) =>
    native.perceptual_distance_backward(
      views.output([2, 7, 5, C]).handle,
      views.input([2], 'f32').handle,
      views.input([2, 7, 5, C], views.dtype, 2).handle,
      views.input([2, 7, 5, C], views.dtype, 3).handle,
      views.input([C], 'f32', 4).handle,
    ),
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
})
