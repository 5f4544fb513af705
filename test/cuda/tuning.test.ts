import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { conv2d } from '../../lib/ops/conv2d.js'
import {
  measureProduct,
  type ProductChoice,
  ProductChoices,
  type ProductShape,
} from '../../lib/tensor/product_choices.js'
import { fence } from '../../lib/tensor/device.js'
import { empty, fromArray, zeros } from '../../lib/tensor/tensor.js'
import { randomArray, toTensor } from '../host_array.js'

interface Case {
  dtype: 'f32' | 'bf16'
  transposeA: boolean
  transposeB: boolean
  bias?: boolean
  accumulate?: boolean
  batch?: number
}

/** Rows and columns beyond the ends of each tile, K beyond a tile's depth; long enough to be split where it may be. */
const [M, N] = [136, 264]
const depthOf = ({ transposeA }: Case) => (transposeA ? 1096 : 104)

const shapeOf = (product: Case): ProductShape => ({
  dtype: product.dtype,
  yDtype: product.accumulate ? 'f32' : product.dtype,
  transposeA: product.transposeA,
  transposeB: product.transposeB,
  bias: product.bias ?? false,
  accumulate: product.accumulate ?? false,
  aligned: true,
  batch: product.batch ?? 1,
  m: M,
  n: N,
  k: depthOf(product),
})

/** The product on random numbers, whose sums are rounded at every step. */
async function multiply(product: Case, way?: string, given?: ProductChoices) {
  const { dtype, transposeA, transposeB, bias, accumulate, batch = 1 } = product
  const K = depthOf(product)
  const of = (shape: number[]) => (batch > 1 ? [batch, ...shape] : shape)
  const a = toTensor(randomArray(of(transposeA ? [K, M] : [M, K])), dtype)
  const b = toTensor(randomArray(of(transposeB ? [N, K] : [K, N]), 2), dtype)
  const y = accumulate ? toTensor(randomArray([M, N], 3), 'f32') : empty(of([M, N]), dtype)
  const row = bias ? toTensor(randomArray([N], 4), dtype) : undefined
  const choices =
    given ?? new ProductChoices(way === undefined ? [] : [{ shape: shapeOf(product), way, measured: true }])
  choices.run(() => {
    if (accumulate) native.matmul_accumulate(y.handle, a.handle, b.handle, transposeA, transposeB)
    else native.matmul(y.handle, a.handle, b.handle, row?.handle, transposeA, transposeB)
  })
  const values = await y.readFloats()
  return { values, choices: choices.list() }
}

describe('tiles of every size give the same bits', () => {
  it.each<Case>([
    { dtype: 'bf16', transposeA: false, transposeB: true },
    { dtype: 'bf16', transposeA: false, transposeB: true, bias: true },
    { dtype: 'bf16', transposeA: false, transposeB: false },
    { dtype: 'bf16', transposeA: true, transposeB: false, accumulate: true },
    { dtype: 'bf16', transposeA: true, transposeB: false, batch: 2 },
    { dtype: 'f32', transposeA: false, transposeB: true, bias: true },
    { dtype: 'f32', transposeA: false, transposeB: false },
    { dtype: 'f32', transposeA: true, transposeB: false, accumulate: true },
  ])('%j', async (product) => {
    const expected = await multiply(product)
    expect(expected.choices).toEqual([{ shape: shapeOf(product), way: 'fixed', measured: false, calls: 1 }])
    for (const way of product.dtype === 'bf16' ? ['small', 'medium', 'large'] : ['small', 'large']) {
      const { values, choices } = await multiply(product, way)
      expect(choices, way).toEqual([{ shape: shapeOf(product), way, measured: true, calls: 1 }])
      expect(
        values.findIndex((value, i) => value !== expected.values[i]),
        way,
      ).toBe(-1)
    }
  })
})

describe('choices', () => {
  const product: Case = { dtype: 'f32', transposeA: false, transposeB: false }

  it('refuse a tile that the product has not', async () => {
    await expect(multiply(product, 'medium')).rejects.toThrow(
      'matmul: no kernel of it has medium tiles on this GPU',
    )
  })

  it.each(['huge', 'cublaslt 12', 'cublaslt'])('refuse a way that is none: %s', (way) => {
    expect(() => new ProductChoices([{ shape: shapeOf(product), way, measured: true }])).toThrow(
      `set_product: way must be one of a product, received `,
    )
  })

  it('are those of their own work alone: within others, and not after them', async () => {
    const [outer, inner] = [new ProductChoices(), new ProductChoices()]
    const [a, y] = [zeros([16, 16]), empty([16, 16])]
    const call = () => native.matmul(y.handle, a.handle, a.handle, undefined, false, false)
    outer.run(() => {
      call()
      inner.run(call)
      call()
    })
    call()
    await fence('cuda')
    const calls = (choices: ProductChoices) => choices.list().map(({ calls }) => calls)
    expect([calls(outer), calls(inner)]).toEqual([[2], [1]])
  })

  it.each([
    ['rows', { transposeA: false, transposeB: true }, 100, 'small'],
    ['rows, to the limit', { transposeA: false, transposeB: true }, 68, 'small'],
    ['rows, too few', { transposeA: false, transposeB: true }, 67, 'fixed'],
    ['what a weight gradient sums over', { transposeA: true, transposeB: false }, 600, 'small'],
    ['what a weight gradient sums over, too long', { transposeA: true, transposeB: false }, 547, 'fixed'],
  ] as const)('stand for lengths of a batch that are near: %s', async (_, layout, length, way) => {
    const product: Case = { dtype: 'f32', ...layout }
    const measured = { ...shapeOf(product), [layout.transposeA ? 'k' : 'm']: length }
    const choices = new ProductChoices([
      { shape: measured, way: 'small', measured: true },
      // As near, but only chosen, or of another kind.
      { shape: { ...shapeOf(product), n: N + 8 }, way: 'large', measured: true },
    ])
    await multiply(product, undefined, choices)
    expect(choices.list()).toContainEqual({ shape: shapeOf(product), way, measured: false, calls: 1 })
  })

  it('have the products that convolutions are', async () => {
    const choices = new ProductChoices()
    const [x, weight] = [zeros([2, 4, 4, 32], 'bf16'), zeros([16, 1, 1, 32], 'bf16')]
    choices.run(() => conv2d(x, weight))
    await fence('cuda')
    expect(choices.list()).toMatchObject([{ shape: { m: 32, n: 16, k: 32, aligned: true }, way: 'fixed' }])
  })

  it('tell addresses that vectors cannot be read at from others', async () => {
    const choices = new ProductChoices()
    const a = fromArray(new Float32Array(16 * 16 + 1)).view([16, 16], 1)
    const [b, y] = [zeros([16, 16]), empty([16, 16])]
    choices.run(() => native.matmul(y.handle, a.handle, b.handle, undefined, false, false))
    await fence('cuda')
    expect(choices.list()).toMatchObject([{ shape: { aligned: false } }])
  })
})

describe('measureProduct', () => {
  const ways = (choices: readonly { way: string }[]) => choices.map(({ way }) => way)
  const small = (product: Case): ProductShape => ({ ...shapeOf(product), m: 40, n: 64, k: 32 })

  it.each<[ProductShape, string[]]>([
    [small({ dtype: 'bf16', transposeA: false, transposeB: true, bias: true }), ['small', 'medium', 'large']],
    [
      small({ dtype: 'bf16', transposeA: true, transposeB: false, accumulate: true }),
      ['small', 'medium', 'large'],
    ],
    [small({ dtype: 'bf16', transposeA: true, transposeB: true }), ['small']],
    [
      { ...small({ dtype: 'bf16', transposeA: false, transposeB: true }), n: 33 },
      ['small', 'medium', 'large'],
    ],
    [
      { ...small({ dtype: 'bf16', transposeA: false, transposeB: true }), k: 33, aligned: false },
      ['small', 'medium'],
    ],
    [
      { ...small({ dtype: 'bf16', transposeA: false, transposeB: true }), aligned: false },
      ['small', 'medium'],
    ],
    [small({ dtype: 'f32', transposeA: false, transposeB: false, batch: 3 }), ['small', 'large']],
  ])('times the ways of a product: %j', async (shape, expected) => {
    const times = await measureProduct(shape, 'cuda:0', 2)
    expect(ways(times)).toEqual(expected)
    for (const { milliseconds } of times) expect(milliseconds).toBeGreaterThan(0)
    // Each can be chosen.
    const choices: ProductChoice[] = times.map(({ way }) => ({ shape, way, measured: true }))
    expect(ways(new ProductChoices(choices).list())).toHaveLength(1)
  })

  it('rejects where memory is out, and other work goes on', async () => {
    const shape = { ...small({ dtype: 'f32', transposeA: false, transposeB: true }), m: 1 << 30, k: 1 << 12 }
    await expect(measureProduct(shape, 'cuda:0')).rejects.toThrow(
      'measure_product: no memory is left for 17592186044420 bytes of a matrix',
    )
    expect(await zeros([2]).readFloats()).toEqual(new Float32Array(2))
  })

  it('rejects on the CPU', async () => {
    const shape = small({ dtype: 'f32', transposeA: false, transposeB: true })
    await expect(measureProduct(shape, 'cpu')).rejects.toThrow(
      'measure_product: a product is computed in one way on cpu',
    )
  })
})
