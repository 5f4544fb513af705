import { expect, it } from 'vitest'
import { Conv2d } from '../../lib/nn/conv2d.js'
import { moduleOf, random, read, tensorOf } from './parts.js'

it('keeps the size of images with the default window, and halves it with a stride of 2', async () => {
  const { module, arena } = moduleOf((list) => ({
    same: new Conv2d(list.under('same'), 3, 4),
    half: new Conv2d(list.under('half'), 3, 4, { stride: 2 }),
  }))
  using _ = arena
  const x = random([2, 6, 8, 3])
  expect(module.same.forward(x).shape).toEqual([2, 6, 8, 4])
  expect(module.half.forward(x).shape).toEqual([2, 3, 4, 4])
})

it('returns its input where the middle of the window is one, and adds the bias of all or of each image', async () => {
  const { module, arena } = moduleOf((list) => new Conv2d(list, 1, 1, { initial: { value: 0 } }))
  using _ = arena
  arena.write(module.weight, Float32Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0))
  arena.write(module.bias!, Float32Array.of(0.5))
  arena.updated()
  const x = tensorOf([2, 2, 2, 1], 1, 2, 3, 4, 5, 6, 7, 8)
  expect([...(await read(() => module.forward(x)))]).toEqual([1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5])
  const perImage = tensorOf([2, 1], 10, 20)
  expect([...(await read(() => module.forward(x, { perImage })))]).toEqual([11, 12, 13, 14, 25, 26, 27, 28])
  const added = await read(() => module.forward(x, { residual: x }))
  expect([...added]).toEqual([2.5, 4.5, 6.5, 8.5, 10.5, 12.5, 14.5, 16.5])
})
