import { describe, expect, it } from 'vitest'
import { backward } from '../../lib/autograd/tape.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { ParameterList } from '../../lib/nn/parameters.js'
import { cast } from '../../lib/ops/cast.js'
import { embedding } from '../../lib/ops/embedding.js'
import { linear } from '../../lib/ops/linear.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, full, type Tensor } from '../../lib/tensor/tensor.js'

function newArena(compute: 'f32' | 'bf16' = 'f32') {
  const list = new ParameterList()
  const bias = list.add('bias', [3], { value: 0.5 })
  const weight = list.add('weight', [5, 7], { std: 1 })
  const arena = new ParameterArena(list.parameters, compute)
  return { arena, bias, weight }
}

it('lays parameters out on 64-byte boundaries, those with decay first, with zeros between', async () => {
  const { arena, bias, weight } = newArena()
  using _ = arena
  arena.initialize(3)
  expect(arena.parameters).toEqual([weight, bias])
  expect([arena.startOf(weight), arena.startOf(bias), arena.elements]).toEqual([0, 64, 96])
  expect(arena.parameterCount).toBe(38)
  const values = await arena.values.readFloats()
  expect(values.subarray(0, 35).every((value) => value !== 0)).toBe(true)
  expect(values.subarray(35, 64)).toEqual(new Float32Array(29))
  expect(values.subarray(64)).toEqual(Float32Array.of(0.5, 0.5, 0.5, ...new Float32Array(29)))
})

it('begins the same for the same seed, in f32 and bf16', async () => {
  const values: Float32Array[] = []
  for (const [compute, seed] of [
    ['f32', 3],
    ['bf16', 3],
    ['f32', 4],
  ] as const) {
    const { arena } = newArena(compute)
    using _ = arena
    arena.initialize(seed)
    values.push(await arena.values.readFloats())
  }
  expect(values[1]).toEqual(values[0])
  expect(values[2]).not.toEqual(values[0])
})

it('adds gradients up until they are zeroed, and refuses a backward pass over older values', async () => {
  const { arena, bias } = newArena()
  using _ = arena
  arena.initialize(3)
  const { gradients } = arena
  const lossOf = () => sum(mul(bias.tensor, bias.tensor))
  for (const expected of [1, 2]) {
    scope(() => backward(lossOf()))
    expect((await gradients.readFloats())[arena.startOf(bias)]).toBe(expected)
  }
  arena.zeroGradients()
  expect(await gradients.readFloats()).toEqual(new Float32Array(arena.elements))

  const snapshot = arena.snapshot()
  const loss = lossOf()
  arena.restore(scope(() => scale(snapshot, 2)))
  expect((await bias.tensor.readFloats())[0]).toBe(1)
  expect(() => backward(loss)).toThrow('was updated after the forward pass')
  arena.swap(snapshot)
  expect((await bias.tensor.readFloats())[0]).toBe(0.5)
})

describe('a sum of gradients', () => {
  const x = () =>
    fromArray(
      Float32Array.from({ length: 14 }, (_, i) => i),
      [2, 7],
    )
  const throughProduct = (weight: Tensor) => linear(x(), weight)
  const throughRows = (weight: Tensor) => embedding(weight, fromArray(Int32Array.of(1)))
  // Of a loss that sums rows of x W^T, and of one that sums row 1 of W.
  const ofProduct = Array.from({ length: 35 }, (_, i) => 7 + 2 * (i % 7))
  const ofRows = Array.from({ length: 35 }, (_, i) => (i >= 7 && i < 14 ? 1 : 0))

  it.each<[string, ((weight: Tensor) => Tensor)[], number[]]>([
    ['a product alone', [throughProduct], ofProduct],
    ['rows alone', [throughRows], ofRows],
    ['nothing', [], ofRows.map(() => 0)],
    ['two products', [throughProduct, throughProduct], ofProduct.map((g) => 2 * g)],
    ['rows, then a product', [throughRows, throughProduct], ofProduct.map((g, i) => g + ofRows[i]!)],
    ['a product, then rows', [throughProduct, throughRows], ofProduct.map((g, i) => g + ofRows[i]!)],
  ])('begins anew after each zeroing, through %s', async (_, uses, expected) => {
    const { arena, weight, bias } = newArena()
    using own = arena
    own.initialize(3)
    void own.gradients
    for (let pass = 0; pass < 2; pass++) {
      own.zeroGradients()
      for (const use of uses) scope(() => backward(sum(use(weight.tensor))))
      if (pass === 0) scope(() => backward(sum(linear(x(), weight.tensor))))
      if (pass === 0) scope(() => backward(sum(bias.tensor)))
    }
    const gradients = Array.from(await own.gradients.readFloats())
    expect(gradients).toEqual([...expected, ...Array<number>(own.elements - 35).fill(0)])
  })

  it('is of no use once one of its kernels failed, whatever is written beside, until it is zeroed', async () => {
    const list = new ParameterList()
    const [table, weight] = [
      list.add('table', [4, 7], { value: 1 }),
      list.add('weight', [5, 7], { value: 1 }),
    ]
    using arena = new ParameterArena(list.parameters)
    arena.initialize(1)
    void arena.gradients
    arena.zeroGradients()
    const ids = (id: number) => fromArray(Int32Array.of(id))
    scope(() => backward(sum(embedding(table.tensor, ids(9)))))
    scope(() => backward(sum(linear(full([2, 7], 1), weight.tensor))))
    await expect(arena.gradients.read()).rejects.toThrow('embedding_backward: ids[0] must be')
    arena.zeroGradients()
    scope(() => backward(sum(linear(full([2, 7], 1), weight.tensor))))
    expect(Array.from(await arena.gradients.readFloats())).toEqual([
      ...Array<number>(arena.startOf(weight)).fill(0),
      ...Array<number>(35).fill(2),
      ...Array<number>(arena.elements - arena.startOf(weight) - 35).fill(0),
    ])
  })

  it('is not begun by a kernel that could not be enqueued', async () => {
    const { arena, weight } = newArena()
    using own = arena
    own.initialize(3)
    void own.gradients
    scope(() => backward(sum(throughProduct(weight.tensor))))
    own.zeroGradients()
    expect(() =>
      weight.tensor.gradientTarget!.accumulate(() => {
        throw new Error('a fault')
      }),
    ).toThrow('a fault')
    expect(await own.gradients.readFloats()).toEqual(new Float32Array(own.elements))
  })
})

describe('parameters that are not trained', () => {
  for (const dtype of ['f32', 'bf16'] as const)
    for (const compute of ['f32', 'bf16'] as const)
      it(`lie outside, kept as ${dtype}, computed with as ${compute}, and begin as if they were trained`, async () => {
        const { arena: whole, weight: trained } = newArena(compute)
        const list = new ParameterList()
        const bias = list.add('bias', [3], { value: 0.5 })
        const weight = list.add('weight', [5, 7], { std: 1 })
        using _ = whole
        using arena = new ParameterArena(list.parameters, compute, 'cpu', (parameter) =>
          parameter === weight ? dtype : undefined,
        )
        whole.initialize(3)
        arena.initialize(3)
        expect([arena.parameters, arena.everyParameter]).toEqual([[bias], [weight, bias]])
        expect([arena.elements, arena.parameterCount]).toEqual([32, 38])
        using expected = cast(whole.valuesOf(trained), dtype)
        using values = arena.valuesAmong(arena.values, weight)
        expect(values.dtype).toBe(dtype)
        expect(await values.readFloats()).toEqual(await expected.readFloats())
        using computed = cast(expected, compute)
        expect(weight.tensor.dtype).toBe(compute)
        expect(await weight.tensor.readFloats()).toEqual(await computed.readFloats())
        expect(arena.gradients.elements).toBe(32)
        scope(() => expect(() => backward(sum(mul(weight.tensor, weight.tensor)))).toThrow(/must depend/))

        arena.write(weight, Float32Array.of(1.5, -2), 34 - 1)
        arena.updated()
        expect((await weight.tensor.readFloats()).subarray(33)).toEqual(Float32Array.of(1.5, -2))
        expect(() => arena.write(weight, Float32Array.of(1), 35)).toThrow(RangeError)
      })
})
