// Noise, losses of images, optimizers.
import { describe } from 'vitest'
import { native } from '../../../lib/native.js'
import { fromArray, full } from '../../../lib/tensor/tensor.js'
import { ints, on, random, testTraffic, zeros } from './traffic.js'

const [T, C] = [128, 1024]

/** Two images of half the rows each. */
const imageRows = () => ints([0, T / 2, T])
const seeds = () => fromArray(new Int32Array(8).fill(3), [2, 4])
const perImage = () => fromArray(Float32Array.of(0.5, 0.8))
const finite = () => fromArray(Float32Array.of(1, 1, 1))

describe('kernels that memory bounds move each byte once', () => {
  testTraffic(import.meta.url, {
    timestep_embedding: {
      // Each warp reads its time.
      cached: 1.3,
      prepare: on(
        (d) => [zeros([T, C], d), full([T], 3)],
        (y, t) => native.timestep_embedding(y!, t!, 1e4),
      ),
    },
    normal: {
      // Seeds and rows of images.
      cached: 1.45,
      prepare: on(
        (d) => [zeros([T, C], d), imageRows(), seeds()],
        (y, rows, seeds) => native.normal(y!, rows!, seeds!, 1),
      ),
    },
    add_noise: {
      cached: 1.3,
      prepare: on(
        (d) => [zeros([T, C], d), random([T, C], d), imageRows(), perImage(), perImage(), seeds()],
        (xt, x0, rows, alpha, sigma, seeds) => native.add_noise(xt!, x0!, rows!, alpha!, sigma!, seeds!),
      ),
    },
    diffusion_loss: {
      cached: 1.3,
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
    diffusion_loss_backward: {
      cached: 1.3,
      prepare: on(
        (d) => [
          zeros([T, C], d),
          perImage(),
          random([T, C], d),
          random([T, C], d),
          imageRows(),
          perImage(),
          perImage(),
          perImage(),
          seeds(),
        ],
        (dprediction, dlosses, prediction, x0, rows, targetX0, targetEps, weight, seeds) =>
          native.diffusion_loss_backward(
            dprediction!,
            dlosses!,
            prediction!,
            x0!,
            rows!,
            targetX0!,
            targetEps!,
            weight!,
            seeds!,
          ),
      ),
    },
    pixel_error: {
      // Partial sums.
      cached: 1.06,
      prepare: on(
        (d) => [perImage(), random([2, T, C], d), random([2, T, C], d)],
        (losses, y, x) => native.pixel_error(losses!, y!, x!, false),
      ),
    },
    pixel_error_backward: {
      // Each warp reads the gradient of its image's loss.
      cached: 1.3,
      prepare: on(
        (d) => [zeros([2, T, C], d), perImage(), random([2, T, C], d), random([2, T, C], d)],
        (dy, dlosses, y, x) => native.pixel_error_backward(dy!, dlosses!, y!, x!, true),
      ),
    },
    sample_latents: {
      cached: 1.3,
      prepare: on(
        (d) => [zeros([2, T, C], d), perImage(), random([2, T, 2 * C], d), seeds()],
        (z, kl, moments, seeds) => native.sample_latents(z!, kl!, moments!, seeds!),
      ),
    },
    sample_latents_backward: {
      cached: 1.3,
      prepare: on(
        (d) => [zeros([2, T, 2 * C], d), random([2, T, C], d), perImage(), random([2, T, 2 * C], d), seeds()],
        (dmoments, dz, dkl, moments, seeds) =>
          native.sample_latents_backward(dmoments!, dz!, dkl!, moments!, seeds!),
      ),
    },
    denoise: {
      cached: 1.3,
      prepare: (d) => {
        const [y, x0] = [zeros([T, C], d), zeros([T, C], d)]
        const [x, conditional, unconditional, previous] = [1, 2, 3, 4].map(() => random([T, C], d))
        const [rows, coefficients, keys] = [imageRows(), random([2, 7], 'f32'), seeds()]
        return () =>
          native.denoise(
            y.handle,
            x0.handle,
            x!.handle,
            conditional!.handle,
            unconditional!.handle,
            previous!.handle,
            rows.handle,
            coefficients.handle,
            keys.handle,
            -1,
            1,
          )
      },
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
        () => [...[1, 2, 3, 4].map(() => full([T * C], 0.1)), zeros([T * C], 'bf16'), finite(), ints([1])],
        (parameters, first, second, gradients, rounded, clip, steps) =>
          native.adamw(
            parameters!,
            rounded!,
            first!,
            second!,
            gradients!,
            clip!,
            steps!,
            1e-3,
            0.9,
            0.99,
            1e-8,
            0.1,
          ),
      ),
    },
    muon_momentum: {
      // The direction is read and written again once its norm is known.
      memory: 1.6,
      cached: 1.7,
      prepare: on(
        (d) => [full([T, C], 0.1), zeros([T, C], d), full([T, C], 0.1), finite()],
        (momentum, direction, gradients, clip) =>
          native.muon_momentum(momentum!, direction!, gradients!, clip!, 0.9),
      ),
    },
    muon_update: {
      prepare: on(
        (d) => [full([T, C], 0.1), random([T, C], d), finite(), ...(d === 'bf16' ? [zeros([T, C], d)] : [])],
        (parameters, direction, clip, rounded) =>
          native.muon_update(parameters!, rounded, direction!, clip!, 1e-3, 1, 0.1),
      ),
    },
  })
})
