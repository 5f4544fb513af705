import { expect, it } from 'vitest'
import { Linear } from '../../lib/nn/linear.js'
import { compare } from '../check_op.js'
import { hostArray, randomArray, toTensor } from '../host_array.js'
import { matmul } from '../reference/matmul.js'
import { moduleOf, random, randomize, read, valuesOf } from './parts.js'

it('multiplies by its weight and adds its bias', async () => {
  const { module, arena } = moduleOf((list) => new Linear(list.under('layer'), 5, 3, { bias: true }))
  using _ = arena
  expect(arena.parameters.map(({ name, shape }) => [name, shape])).toEqual([
    ['layer.weight', [3, 5]],
    ['layer.bias', [3]],
  ])
  randomize(arena)
  const x = randomArray([7, 5])
  const [weight, bias] = [await valuesOf(arena, 'weight'), await valuesOf(arena, 'bias')]
  const product = matmul(x, hostArray([3, 5], weight), { transposeB: true })
  const expected = product.data.map((value, i) => value + bias[i % 3]!)
  compare('y', await read(() => module.forward(toTensor(x))), expected, 'f32')
})

it('begins with a standard deviation of 1 / sqrt(inputs), and without a bias', async () => {
  const { module, arena } = moduleOf((list) => new Linear(list, 64, 256))
  using _ = arena
  expect(module.bias).toBeUndefined()
  const values = await valuesOf(arena, 'weight')
  const variance = values.reduce((total, value) => total + value ** 2, 0) / values.length
  // Four standard errors of a variance.
  expect(Math.abs(variance * 64 - 1)).toBeLessThan(4 * Math.sqrt(2 / values.length))
})

it('says where an input does not fit', () => {
  const { module, arena } = moduleOf((list) => new Linear(list, 5, 3))
  using _ = arena
  expect(() => module.forward(random([2, 4]))).toThrow('linear: weight must have shape [*, 4]')
})
