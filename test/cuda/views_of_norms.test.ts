import { native } from '../../lib/native.js'
import { randomSeeds } from '../../lib/random.js'
import { empty, fromArray, full, type Tensor } from '../../lib/tensor/tensor.js'
import { checkCalls, type Views } from './views.js'

/** Rows that a warp has, and rows that a block has in tiles. */
const matrices = (C: number): [number, number][] => [
  [5, C],
  [2, 80 * C],
]

/** With more rows than there are blocks to sum gradients over them. */
const withManyRows = (C: number) => (C === 64 ? [...matrices(C), [2100, 8] as const] : matrices(C))

/** The CPU's silu of bf16 is one of few digits, which gradients in f32 show. */
const activations = (views: Views) => (views.dtype === 'f32' ? [false, true] : [false])

const seeds = (views: Views, count: number): Tensor =>
  views.ints([...randomSeeds(3, 'noise', 0, count)], [count, 4])

const perImage = (views: Views, count: number, seed: number): Tensor => views.input([count], 'f32', seed)

/** Images of 40, 0, 1 and 500 rows. */
const imageRows = (views: Views): Tensor => views.ints([0, 40, 40, 41, 541])

/** The clip of gradients whose norm is finite, or is not. */
const clips = (): Tensor[] =>
  [
    [3, 0.25, 1],
    [NaN, 0, 0],
  ].map((clip) => fromArray(Float32Array.from(clip)))

const labels = (views: Views, T: number, V: number): Tensor =>
  views.ints(Array.from({ length: T }, (_, t) => ((t * 7 + 1) % (V + 1)) - 1))

checkCalls({
  rms_norm: (views, C) => {
    for (const [T, columns] of matrices(C))
      native.rms_norm(
        views.output([T, columns]).handle,
        views.output([T], 'f32').handle,
        views.input([T, columns]).handle,
        views.input([columns], views.dtype, 2).handle,
        1e-5,
      )
  },
  rms_norm_backward: (views, C) => {
    for (const [T, columns] of withManyRows(C))
      native.rms_norm_backward(
        views.output([T, columns]).handle,
        views.output([columns], 'f32').handle,
        views.input([T, columns], views.dtype, 3).handle,
        views.input([T, columns]).handle,
        views.input([columns], views.dtype, 2).handle,
        views.input([T], 'f32', 4).handle,
      )
  },
  layer_norm: (views, C) => {
    for (const [T, columns] of matrices(C))
      for (const silu of [false, true])
        native.layer_norm(
          views.output([T, columns]).handle,
          views.output([T], 'f32').handle,
          views.output([T], 'f32').handle,
          views.input([T, columns]).handle,
          views.input([columns], views.dtype, 2).handle,
          views.input([columns], views.dtype, 3).handle,
          1e-2,
          silu,
        )
  },
  layer_norm_backward: (views, C) => {
    for (const [T, columns] of withManyRows(C))
      for (const silu of activations(views))
        native.layer_norm_backward(
          views.output([T, columns]).handle,
          views.output([columns], 'f32').handle,
          views.output([columns], 'f32').handle,
          views.input([T, columns], views.dtype, 4).handle,
          views.input([T, columns]).handle,
          views.input([columns], views.dtype, 2).handle,
          views.input([columns], views.dtype, 3).handle,
          views.input([T], 'f32', 5).handle,
          views.input([T], 'f32', 6).handle,
          silu,
        )
  },
  group_norm: (views, C) => {
    for (const shape of [
      [2, 70, 2 * C],
      [1, 300, 10 * C],
    ] as const)
      // prettier-ignore
      native.group_norm(
        views.output(shape).handle,
        views.output([shape[0], 2], 'f32').handle,
        views.output([shape[0], 2], 'f32').handle,
        views.input(shape).handle,
        views.input([shape[2]], views.dtype, 2).handle,
        views.input([shape[2]], views.dtype, 3).handle,
        1e-2,
        true,
      )
  },
  group_norm_backward: (views, C) => {
    for (const shape of [
      [2, 70, 2 * C],
      [1, 300, 10 * C],
    ] as const)
      // prettier-ignore
      native.group_norm_backward(
        views.output(shape).handle,
        views.output([shape[2]], 'f32').handle,
        views.output([shape[2]], 'f32').handle,
        views.input(shape, views.dtype, 4).handle,
        views.input(shape).handle,
        views.input([shape[2]], views.dtype, 2).handle,
        views.input([shape[2]], views.dtype, 3).handle,
        views.input([shape[0], 2], 'f32', 5).handle,
        views.input([shape[0], 2], 'f32', 6).handle,
        views.dtype === 'f32',
      )
  },
  softmax: (views, C) => {
    for (const shape of matrices(C)) native.softmax(views.output(shape).handle, views.input(shape).handle)
  },
  softmax_backward: (views, C) => {
    for (const shape of matrices(C))
      native.softmax_backward(
        views.output(shape).handle,
        views.input(shape).handle,
        views.input(shape, views.dtype, 2).handle,
      )
  },
  cross_entropy: (views, C) => {
    for (const [T, V] of matrices(C))
      native.cross_entropy(
        views.output([T], 'f32').handle,
        views.output([T], 'f32').handle,
        views.output([T], 'f32').handle,
        views.input([T, V]).handle,
        labels(views, T, V).handle,
        views.input([T], 'f32', 2).handle,
        0.1,
        0.01,
      )
  },
  cross_entropy_backward: (views, C) => {
    for (const [T, V] of matrices(C)) {
      const rest = [labels(views, T, V).handle, views.input([T], 'f32', 2).handle, 0.1, 0.01] as const
      const dlosses = views.input([T], 'f32', 3)
      const dpenalties = views.input([T], 'f32', 4)
      const lse = views.input([T], 'f32', 5)
      for (const dtype of ['f32', 'bf16'] as const) {
        const logits = views.input([T, V])
        const dlogits = views.output([T, V], dtype)
        native.cross_entropy_backward(dlogits.handle, dlosses.handle, dpenalties.handle, logits.handle, lse.handle, ...rest) // prettier-ignore
      }
      const logits = views.state([T, V])
      native.cross_entropy_backward(logits.handle, dlosses.handle, undefined, logits.handle, lse.handle, ...rest) // prettier-ignore
    }
  },
  argmax: (views, C) => {
    for (const [T, V] of matrices(C)) {
      const ids = empty([T], 'i32')
      native.argmax(ids.handle, views.input([T, V]).handle)
      native.cast(views.output([T], 'f32').handle, ids.handle)
    }
  },
  sample_tokens: (views, C) => {
    const of = (values: number[]) => fromArray(Float32Array.from(values)).handle
    for (const V of [C, 80 * C]) {
      const ids = empty([6], 'i32')
      native.sample_tokens(
        ids.handle,
        views.input([6, V]).handle,
        views.input([V], 'f32', 2).handle,
        of([1, 0, 0.7, 1, 2, 1]),
        fromArray(Int32Array.of(0, 0, 20, 0, 40, 0)).handle,
        of([1, 1, 1, 0.8, 0.7, 1]),
        of([0, 0, 0, 0, 0.1, 0.2]),
        seeds(views, 6).handle,
      )
      native.cast(views.output([6], 'f32').handle, ids.handle)
    }
  },
  normal: (views, C) =>
    native.normal(views.output([541, C]).handle, imageRows(views).handle, seeds(views, 4).handle, 0.5),
  add_noise: (views, C) =>
    native.add_noise(
      views.output([541, C]).handle,
      views.input([541, C]).handle,
      imageRows(views).handle,
      perImage(views, 4, 2).handle,
      perImage(views, 4, 3).handle,
      seeds(views, 4).handle,
    ),
  diffusion_loss: (views, C) =>
    native.diffusion_loss(
      views.output([4], 'f32').handle,
      views.input([541, C]).handle,
      views.input([541, C], views.dtype, 2).handle,
      imageRows(views).handle,
      perImage(views, 4, 3).handle,
      perImage(views, 4, 4).handle,
      perImage(views, 4, 5).handle,
      seeds(views, 4).handle,
    ),
  diffusion_loss_backward: (views, C) =>
    native.diffusion_loss_backward(
      views.output([541, C]).handle,
      perImage(views, 4, 6).handle,
      views.input([541, C]).handle,
      views.input([541, C], views.dtype, 2).handle,
      imageRows(views).handle,
      perImage(views, 4, 3).handle,
      perImage(views, 4, 4).handle,
      perImage(views, 4, 5).handle,
      seeds(views, 4).handle,
    ),
  pixel_error: (views, C) => {
    for (const squared of [false, true])
      native.pixel_error(
        views.output([3], 'f32').handle,
        views.input([3, 541, C]).handle,
        views.input([3, 541, C], views.dtype, 2).handle,
        squared,
      )
  },
  pixel_error_backward: (views, C) => {
    for (const squared of [false, true])
      native.pixel_error_backward(
        views.output([3, 541, C]).handle,
        views.input([3], 'f32', 3).handle,
        views.input([3, 541, C]).handle,
        views.input([3, 541, C], views.dtype, 2).handle,
        squared,
      )
  },
  sample_latents: (views, C) =>
    native.sample_latents(
      views.output([3, 541, C]).handle,
      views.output([3], 'f32').handle,
      views.input([3, 541, 2 * C]).handle,
      seeds(views, 3).handle,
    ),
  sample_latents_backward: (views, C) =>
    native.sample_latents_backward(
      views.output([3, 541, 2 * C]).handle,
      views.input([3, 541, C], views.dtype, 2).handle,
      views.input([3], 'f32', 3).handle,
      views.input([3, 541, 2 * C]).handle,
      seeds(views, 3).handle,
    ),
  denoise: (views, C) => {
    for (const more of [false, true])
      native.denoise(
        views.output([541, C]).handle,
        views.output([541, C]).handle,
        views.input([541, C]).handle,
        views.input([541, C], views.dtype, 2).handle,
        more ? views.input([541, C], views.dtype, 3).handle : undefined,
        more ? views.input([541, C], views.dtype, 4).handle : undefined,
        imageRows(views).handle,
        views.input([4, 7], 'f32', 5).handle,
        seeds(views, 4).handle,
        -1,
        1,
      )
  },
  gradient_norm: (views, C) => {
    for (const count of [C, 5000 * C])
      native.gradient_norm(views.output([3], 'f32').handle, views.input([count], 'f32').handle, 1)
  },
  adamw: (views, C) => {
    for (const clip of clips()) {
      const squares = full([70 * C + 32], 0.25).view([70 * C], views.offset)
      native.adamw(
        views.state([70 * C], 'f32').handle,
        views.state([70 * C], 'bf16', 5).handle,
        views.state([70 * C], 'f32', 2).handle,
        squares.handle,
        views.input([70 * C], 'f32', 4).handle,
        clip.handle,
        fromArray(Int32Array.of(3)).handle,
        1e-2,
        0.9,
        0.95,
        1e-8,
        0.1,
      )
      native.scale(views.output([70 * C], 'f32').handle, squares.handle, 1)
    }
  },
  ema: (views, C) => {
    const updates = fromArray(Int32Array.of(5))
    native.ema(
      views.state([70 * C], 'f32').handle,
      updates.handle,
      views.input([70 * C], 'f32', 2).handle,
      0.99,
    )
    native.cast(views.output([1], 'f32').handle, updates.handle)
  },
  swap: (views, C) =>
    native.swap(views.state([70 * C], 'f32').handle, views.state([70 * C], 'f32', 2).handle),
  muon_momentum: (views, C) => {
    for (const clip of clips())
      native.muon_momentum(
        views.state([70, C], 'f32').handle,
        views.output([70, C]).handle,
        views.input([70, C], 'f32', 2).handle,
        clip.handle,
        0.95,
      )
  },
  muon_polynomial: (views, C) =>
    native.muon_polynomial(
      views.output([3, C, C]).handle,
      views.input([3, C, C]).handle,
      views.input([3, C, C], views.dtype, 2).handle,
      3.5,
      -4.75,
      2,
    ),
  muon_update: (views, C) => {
    for (const clip of clips())
      native.muon_update(
        views.state([70, C], 'f32').handle,
        views.state([70, C], 'bf16', 3).handle,
        views.input([70, C], views.dtype, 2).handle,
        clip.handle,
        1e-2,
        0.2,
        0.1,
      )
  },
})
