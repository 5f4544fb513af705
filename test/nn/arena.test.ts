import { expect, it } from 'vitest'
import { backward } from '../../lib/autograd/tape.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { ParameterList } from '../../lib/nn/parameters.js'
import { mul } from '../../lib/ops/mul.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { scope } from '../../lib/tensor/scope.js'

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
