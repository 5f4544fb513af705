import { expect, it } from 'vitest'
import { backward } from '../../lib/autograd/tape.js'
import { KvCache } from '../../lib/nn/kv_cache.js'
import { Transformer } from '../../lib/nn/transformer.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { ropeTable } from '../../lib/ops/rope_table.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { moduleOf, random, randomize, read, spans } from './parts.js'

const T = 5
const sizes = { layers: 2, channels: 16, heads: 4, kvHeads: 2, feedForward: 24, normEps: 1e-5 }
const x = random([T, 16])
const causal = spans(1, T, true)
const rope = (first: number, count: number): Tensor =>
  ropeTable(
    fromArray(
      Float32Array.from({ length: count }, (_, i) => first + i),
      [count, 1],
    ),
    fromArray(Float32Array.of(1, 0.1)),
    fromArray(Int32Array.of(0, 0)),
  )
const newTransformer = () => {
  const made = moduleOf((list) => new Transformer(list, sizes))
  randomize(made.arena)
  return made
}

it('sees no position behind its own', async () => {
  const { module, arena } = newTransformer()
  using _ = arena
  const forward = (input: Tensor) => read(() => module.forward(input, { rope: rope(0, T), spans: causal }))
  const y = await forward(x)
  const changed = await x.readFloats()
  changed.fill(1, 3 * 16)
  const z = await forward(fromArray(changed, [T, 16]))
  expect(z.subarray(0, 3 * 16)).toEqual(y.subarray(0, 3 * 16))
  expect(z.subarray(3 * 16).every((value, i) => value !== y[3 * 16 + i])).toBe(true)
})

it('gives with a cache, position by position, what it gives at once', async () => {
  const { module, arena } = newTransformer()
  using _ = arena
  const y = await read(() => module.forward(x, { rope: rope(0, T), spans: causal }))
  using kv = new KvCache(T, sizes.layers, sizes.kvHeads, 4, 'f32')
  for (let t = 0; t < T; t++) {
    using input = x.view([1, 16], t * 16)
    const rows = (...values: number[]) => fromArray(Int32Array.from(values))
    const context = {
      rope: rope(t, 1),
      spans: { keyStart: rows(0), keyEnd: rows(t + 1), queryRows: rows(0, 1), keyRows: rows(0, T) },
      cache: { kv, slots: rows(t) },
    }
    const step = await read(() => module.forward(input, context))
    compare(`position ${t}`, step, y.subarray(t * 16, (t + 1) * 16), 'f32')
  }
})

it('has the same gradients, to the bit, where it recomputes its blocks', async () => {
  const { module, arena } = newTransformer()
  using _ = arena
  const weights = random([T, 16], 9)
  const gradients: Float32Array[] = []
  for (const recompute of [false, true]) {
    module.recomputeBlocks = recompute
    arena.zeroGradients()
    scope(() => backward(sum(mul(module.forward(x, { rope: rope(0, T), spans: causal }), weights))))
    gradients.push(await arena.gradients.readFloats())
  }
  expect(gradients[0]!.filter((value) => value !== 0).length).toBe(arena.parameterCount)
  expect(gradients[1]).toEqual(gradients[0])
})
