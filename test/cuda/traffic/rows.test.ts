// Norms, softmax, cross-entropy, argmax.
import { describe } from 'vitest'
import { native } from '../../../lib/native.js'
import { full } from '../../../lib/tensor/tensor.js'
import { ints, on, permutation, random, testTraffic, zeros } from './traffic.js'

const [T, C] = [128, 1024]
const rowsOfStep = 4096

describe('kernels that memory bounds move each byte once', () => {
  testTraffic(import.meta.url, {
    rms_norm: {
      // All rows read the weight, and the bias.
      cached: 1.55,
      prepare: on(
        (d) => [zeros([T, C], d), full([T], 0), random([T, C], d), random([C], d)],
        (y, rstd, x, weight) => native.rms_norm(y!, rstd!, x!, weight!, 1e-6),
      ),
    },
    // Backward at as many rows as a step has: 512 blocks write partial sums of the gradients of weights, which are read again.
    rms_norm_backward: {
      memory: 1.17,
      cached: 1.68,
      prepare: on(
        (d) => [
          zeros([rowsOfStep, C], d),
          full([C], 0),
          random([rowsOfStep, C], d),
          random([rowsOfStep, C], d),
          random([C], d),
          full([rowsOfStep], 1),
        ],
        (dx, dweight, dy, x, weight, rstd) =>
          native.rms_norm_backward(dx!, dweight!, dy!, x!, weight!, rstd!),
      ),
    },
    layer_norm: {
      cached: 2.05,
      prepare: on(
        (d) => [
          zeros([T, C], d),
          full([T], 0),
          full([T], 0),
          random([T, C], d),
          random([C], d),
          random([C], d),
        ],
        (y, mean, rstd, x, weight, bias) =>
          native.layer_norm(y!, mean!, rstd!, x!, weight!, bias!, 1e-6, true),
      ),
    },
    layer_norm_backward: {
      sectors: 1.07,
      memory: 1.34,
      cached: 2.3,
      prepare: on(
        (d) => [
          zeros([rowsOfStep, C], d),
          full([C], 0),
          full([C], 0),
          random([rowsOfStep, C], d),
          random([rowsOfStep, C], d),
          random([C], d),
          random([C], d),
          full([rowsOfStep], 0),
          full([rowsOfStep], 1),
        ],
        (dx, dweight, dbias, dy, x, weight, bias, mean, rstd) =>
          native.layer_norm_backward(dx!, dweight!, dbias!, dy!, x!, weight!, bias!, mean!, rstd!, true),
      ),
    },
    group_norm: {
      // Images are read for their statistics, and again.
      memory: 1.55,
      cached: 1.7,
      prepare: on(
        (d) => [
          zeros([2, 256, 64], d),
          full([2, 8], 0),
          full([2, 8], 0),
          random([2, 256, 64], d),
          random([64], d),
          random([64], d),
        ],
        (y, mean, rstd, x, weight, bias) =>
          native.group_norm(y!, mean!, rstd!, x!, weight!, bias!, 1e-6, true),
      ),
    },
    group_norm_backward: {
      memory: 1.75,
      cached: 1.9,
      prepare: on(
        (d) => [
          zeros([2, 1024, 64], d),
          full([64], 0),
          full([64], 0),
          random([2, 1024, 64], d),
          random([2, 1024, 64], d),
          random([64], d),
          random([64], d),
          full([2, 8], 0),
          full([2, 8], 1),
        ],
        (dx, dweight, dbias, dy, x, weight, bias, mean, rstd) =>
          native.group_norm_backward(dx!, dweight!, dbias!, dy!, x!, weight!, bias!, mean!, rstd!, true),
      ),
    },
    perceptual_distance: {
      // A warp reads the weight, f32, for 8 positions.
      cached: 1.26,
      sectors: 1.13,
      prepare: on(
        (d) => [full([1], 0), random([1, 8, T / 8, C], d), random([1, 8, T / 8, C], d), full([C], 1)],
        (losses, a, b, weight) => native.perceptual_distance(losses!, a!, b!, weight!),
      ),
    },
    perceptual_distance_backward: {
      cached: 1.18,
      sectors: 1.1,
      prepare: on(
        (d) => [
          zeros([1, 8, T / 8, C], d),
          full([1], 1),
          random([1, 8, T / 8, C], d),
          random([1, 8, T / 8, C], d),
          full([C], 1),
        ],
        (da, dlosses, a, b, weight) => native.perceptual_distance_backward(da!, dlosses!, a!, b!, weight!),
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
          native.cross_entropy_backward(
            dlogits!,
            dlosses!,
            undefined,
            logits!,
            lse!,
            labels!,
            undefined,
            0,
            0,
          ),
      ),
    },
    argmax: {
      prepare: on(
        (d) => [ints([0, 0, 0, 0]), random([4, 16384], d)],
        (ids, logits) => native.argmax(ids!, logits!),
      ),
    },
    sample_tokens: {
      // Each warp reads the options of its row. How often a digit is there is counted in shared memory, where equal ones meet.
      cached: 1.26,
      conflicts: 1.17,
      prepare: (d) => {
        const [chosen, logits] = [ints([0, 0, 0, 0]), random([4, 16384], d)]
        const [temperature, off, seeds] = [full([4], 1), full([4], 0), ints(Array(16).fill(3), [4, 4])]
        const [topK, topP] = [ints([50, 50, 50, 50]), full([4], 0.9)]
        return () =>
          native.sample_tokens(
            chosen.handle,
            logits.handle,
            undefined,
            temperature.handle,
            topK.handle,
            topP.handle,
            off.handle,
            seeds.handle,
          )
      },
    },
  })
})
