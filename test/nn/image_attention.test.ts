import { expect, it } from 'vitest'
import { ImageAttention } from '../../lib/nn/image_attention.js'
import { reshape } from '../../lib/ops/reshape.js'
import { transpose } from '../../lib/ops/transpose.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { moduleOf, random, randomize, read, spans } from './parts.js'

const x = random([2, 2, 3, 8])
const all = spans(2, 6, false)

it('returns its input to the bit while it is new', async () => {
  const { module, arena } = moduleOf((list) => new ImageAttention(list, 8, 2))
  using _ = arena
  expect(await read(() => module.forward(x, all))).toEqual(await x.readFloats())
})

it('sees every position of its image, in no order, and none of another image', async () => {
  const { module, arena } = moduleOf((list) => new ImageAttention(list, 8, 2))
  using _ = arena
  randomize(arena)
  const y = await read(() => module.forward(x, all))
  const turned = await read(() => transpose(module.forward(transpose(x, 1, 2), all), 1, 2))
  compare('of positions in another order', turned, y, 'f32')

  const changed = await x.readFloats()
  // The last position of the first image.
  changed.fill(3, 5 * 8, 6 * 8)
  const z = await read(() => module.forward(reshape(fromArray(changed), [2, 2, 3, 8]), all))
  expect(z.subarray(0, 6 * 8).some((value, i) => i < 5 * 8 && value !== y[i])).toBe(true)
  expect(z.subarray(6 * 8)).toEqual(y.subarray(6 * 8))
})
