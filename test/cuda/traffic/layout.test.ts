// Kernels that move rows, patches and pixels.
import { describe } from 'vitest'
import { native } from '../../../lib/native.js'
import { full } from '../../../lib/tensor/tensor.js'
import { ints, on, permutation, random, testTraffic, zeros } from './traffic.js'

const [T, C] = [128, 1024]
const rowsOfStep = 4096
const codes = 16_384

describe('kernels that memory bounds move each byte once', () => {
  testTraffic(import.meta.url, {
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
      cached: 1.1,
      prepare: on(
        (d) => [zeros([T, C], 'f32'), random([T, C], d), permutation(T)],
        (y, x, ids) => native.embedding_backward(y!, x!, ids!),
      ),
    },
    gather_rows: {
      prepare: on(
        (d) => [zeros([T, C], d), random([T, C], d), permutation(T)],
        (y, x, rows) => native.gather_rows(y!, x!, rows!),
      ),
    },
    scatter_add_rows: {
      // The tables of the sort.
      cached: 1.09,
      prepare: on(
        (d) => [zeros([T, C], d), random([T, C], d), permutation(T)],
        (y, x, rows) => native.scatter_add_rows(y!, x!, rows!),
      ),
    },
    write_rows: {
      prepare: on(
        (d) => [zeros([T, C], d), random([T, C], d), permutation(T)],
        (y, x, rows) => native.write_rows(y!, x!, rows!),
      ),
    },
    code_usage: {
      // Counts are read for their sum, and again for the entropy.
      cached: 2.1,
      dtypes: ['f32'],
      prepare: on(
        () => [full([1], 0), full([1], 0), random([codes], 'f32')],
        (used, perplexity, counts) => native.code_usage(used!, perplexity!, counts!, 1),
      ),
    },
    restart_codes: {
      // All warps read whether the step is taken.
      cached: 1.1,
      dtypes: ['f32'],
      prepare: on(
        () => [
          ints(Array<number>(codes).fill(0)),
          full([codes], 1),
          ints(Array<number>(codes).fill(0)),
          full([codes], 1),
          full([1], 1),
          ints([1, 2, 3, 4], [1, 4]),
        ],
        (unused, recent, rows, counts, taken, seeds) =>
          native.restart_codes(unused!, recent!, rows!, counts!, taken!, seeds!, 100, 100, 0.99),
      ),
    },
    replace_rows: {
      // All elements of a row read its number.
      cached: 1.2,
      dtypes: ['f32'],
      prepare: on(
        () => [full([T, C], 0), random([T, C], 'f32'), permutation(T)],
        (y, x, rows) => native.replace_rows(y!, x!, rows!),
      ),
    },
    rope_table: {
      // Each pair of a token reads its position, frequency and axis.
      cached: 2.1,
      dtypes: ['f32'],
      prepare: on(
        () => [
          full([rowsOfStep, 64], 0),
          random([rowsOfStep, 3], 'f32'),
          random([32], 'f32'),
          ints(Array.from({ length: 32 }, (_, i) => i % 3)),
        ],
        (table, positions, frequencies, axes) => native.rope_table(table!, positions!, frequencies!, axes!),
      ),
    },
    split_rope: {
      // All heads read the angles of their token.
      cached: 1.25,
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
      cached: 1.25,
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
    split_norm_rope: {
      // All heads read the angles of their token, and each is read twice.
      cached: 2.1,
      prepare: on(
        (d) => [
          zeros([T, 8, 64], d),
          zeros([T, 2, 64], d),
          zeros([T, 2, 64], d),
          zeros([T, 10], 'f32'),
          random([T, 12, 64], d),
          random([T, 64], 'f32'),
          random([64], d),
          random([64], d),
        ],
        (q, k, v, rstd, qkv, table, query, key) =>
          native.split_norm_rope(q!, k!, v!, rstd!, qkv!, table!, undefined, query!, key!, 1e-5),
      ),
    },
    split_norm_rope_backward: {
      cached: 2.1,
      prepare: on(
        (d) => [
          zeros([T, 12, 64], d),
          zeros([64], 'f32'),
          zeros([64], 'f32'),
          random([T, 8, 64], d),
          random([T, 2, 64], d),
          random([T, 2, 64], d),
          random([T, 64], 'f32'),
          random([T, 12, 64], d),
          random([64], d),
          random([64], d),
          random([T, 10], 'f32'),
        ],
        (dqkv, dquery, dkey, dq, dk, dv, table, qkv, query, key, rstd) =>
          native.split_norm_rope_backward(
            dqkv!,
            dquery!,
            dkey!,
            dq!,
            dk!,
            dv!,
            table!,
            undefined,
            qkv!,
            query!,
            key!,
            rstd!,
          ),
      ),
    },
    upsample_nearest: {
      // Each pixel of x is read for four of y.
      cached: 1.25,
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
    max_pool: {
      prepare: on(
        (d) => [zeros([1, 16, 16, 64], d), random([1, 32, 32, 64], d)],
        (y, x) => native.max_pool(y!, x!, 2),
      ),
    },
    max_pool_backward: {
      prepare: on(
        (d) => [zeros([1, 33, 32, 64], d), random([1, 16, 16, 64], d), random([1, 33, 32, 64], d)],
        (dx, dy, x) => native.max_pool_backward(dx!, dy!, x!, 2),
      ),
    },
    patchify: {
      // Where images begin, and their sizes.
      cached: 1.15,
      prepare: on(
        (d) => [zeros([1536, 64], d), random([6144, 16], d), ints([64, 64, 32, 64], [2, 2])],
        (y, x, sizes) => native.patchify(y!, x!, sizes!, 2),
      ),
    },
    unpatchify: {
      cached: 1.15,
      prepare: on(
        (d) => [zeros([6144, 16], d), random([1536, 64], d), ints([64, 64, 32, 64], [2, 2])],
        (y, x, sizes) => native.unpatchify(y!, x!, sizes!, 2),
      ),
    },
  })
})
