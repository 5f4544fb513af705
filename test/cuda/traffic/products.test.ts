// Products of matrices in each layout and tile (cuda/matmul/tile_choice.h, of 108 multiprocessors), and those of few rows.
import { describe } from 'vitest'
import { native } from '../../../lib/native.js'
import { on, random, testTraffic, zeros } from './traffic.js'

const layouts = {
  nt: { transposeA: false, transposeB: true },
  nn: { transposeA: false, transposeB: false },
  tn: { transposeA: true, transposeB: false },
}
type Layout = keyof typeof layouts

const product = (layout: Layout, M: number, N: number, K: number) => {
  const { transposeA, transposeB } = layouts[layout]
  return {
    kernel: 'matmul',
    dtypes: ['bf16'] as const,
    prepare: on(
      (d) => [
        zeros([M, N], d),
        random(transposeA ? [K, M] : [M, K], d),
        random(transposeB ? [N, K] : [K, N], d),
      ],
      (y, a, b) => native.matmul(y!, a!, b!, undefined, transposeA, transposeB),
    ),
  }
}

const inLayouts = (tile: string, M: number, N: number, K: number) =>
  Object.fromEntries(
    (Object.keys(layouts) as Layout[]).map((layout) => [
      `matmul ${layout} ${tile}`,
      product(layout, M, N, K),
    ]),
  )

// Rows begin in the middle of sectors. An element of 2 bytes is half a word, whose other half is read by another load.
const ofWords = { sectors: 1.6 }
const ofElements = { sectors: 2.5, cached: 5 }
const mapValues = <T, U>(values: Record<string, T>, map: (value: T) => U) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]))

/** Tiles are read again and again, by caches: as often as these sizes make it. */
const mostTiles = 4

describe('products read whole sectors without conflicts', () => {
  testTraffic(
    import.meta.url,
    {
      ...inLayouts('large', 1024, 3328, 64),
      ...inLayouts('medium', 1024, 1664, 64),
      ...inLayouts('small', 256, 256, 64),
      ...mapValues(inLayouts('of words', 1026, 1030, 70), (one) => ({ ...one, ...ofWords })),
      ...mapValues(inLayouts('of elements', 1025, 1029, 71), (one) => ({ ...one, ...ofElements })),
      'matmul of 4 rows': product('nt', 4, 512, 512),
    },
    { cached: mostTiles },
  )
})
