// Elementwise kernels, and sums.
import { describe } from 'vitest'
import { native } from '../../../lib/native.js'
import { full } from '../../../lib/tensor/tensor.js'
import { ints, on, random, testTraffic, zeros } from './traffic.js'

const [T, C] = [128, 1024]

describe('kernels that memory bounds move each byte once', () => {
  testTraffic(import.meta.url, {
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
      cached: 1.06,
      sectors: 1.06,
      prepare: on(
        (d) => [zeros([C], 'f32'), random([4 * T, C], d)],
        (y, x) => native.sum_rows(y!, x!),
      ),
    },
    broadcast_to: {
      // One value for each row, in a sector of its own.
      cached: 1.07,
      prepare: on(
        (d) => [zeros([T, C], d), random([T, 1], d)],
        (y, x) => native.broadcast_to(y!, x!, 1),
      ),
    },
    leaky_relu: {
      prepare: on(
        (d) => [zeros([T, C], d), random([T, C], d)],
        (y, x) => native.leaky_relu(y!, x!, 0.2),
      ),
    },
    leaky_relu_backward: {
      prepare: on(
        (d) => [zeros([T, C], d), random([T, C], d), random([T, C], d)],
        (dx, dy, y) => native.leaky_relu_backward(dx!, dy!, y!, 0.2),
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
    swap: {
      dtypes: ['f32'],
      prepare: on(
        () => [full([T * C], 0.1), full([T * C], 0.2)],
        (a, b) => native.swap(a!, b!),
      ),
    },
    ema: {
      dtypes: ['f32'],
      prepare: on(
        () => [full([T * C], 0.1), ints([1]), full([T * C], 0.2)],
        (average, updates, values) => native.ema(average!, updates!, values!, 0.99),
      ),
    },
  })
})
