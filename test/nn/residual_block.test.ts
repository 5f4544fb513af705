import { expect, it } from 'vitest'
import { ResidualBlock } from '../../lib/nn/residual_block.js'
import { moduleOf, random, randomize, read } from './parts.js'

const x = random([2, 4, 4, 3])
const timesteps = [random([2, 5], 2), random([2, 5], 3)] as const

it('returns its input to the bit while it is new', async () => {
  const { module, arena } = moduleOf((list) => new ResidualBlock(list, 3, 3, 5))
  using _ = arena
  expect(await read(() => module.forward(x, timesteps[0]))).toEqual(await x.readFloats())
})

it('depends on the timestep of each image alone, once it has learnt', async () => {
  const { module, arena } = moduleOf((list) => new ResidualBlock(list, 3, 6, 5))
  using _ = arena
  randomize(arena)
  const [first, second] = [
    await read(() => module.forward(x, timesteps[0])),
    await read(() => module.forward(x, timesteps[1])),
  ]
  expect(first).toHaveLength(2 * 4 * 4 * 6)
  expect(first.every((value, i) => Math.abs(value - second[i]!) > 0)).toBe(true)
  using image = x.view([1, 4, 4, 3])
  using timestep = timesteps[0].view([1, 5])
  expect(await read(() => module.forward(image, timestep))).toEqual(first.subarray(0, first.length / 2))
})
