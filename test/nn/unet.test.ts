import { expect, it } from 'vitest'
import { UNetDown, UNetUp } from '../../lib/nn/unet.js'
import { moduleOf, random, randomize, read, spans } from './parts.js'

const sizes = { channels: [4, 8], blocks: 1, heads: 2, timestepChannels: 5 }
const context = { timestep: random([2, 5], 2), spans: spans(2, 2 * 3, false) }
const x = random([2, 4, 6, 3])
const newUNet = () =>
  moduleOf((list) => ({
    down: new UNetDown(list.under('down'), 3, sizes),
    up: new UNetUp(list.under('up'), 3, sizes),
  }))

it('halves images from level to level, and brings them back to their size', async () => {
  const { module, arena } = newUNet()
  using _ = arena
  const levels = module.down.forward(x, context)
  expect(levels.map(({ shape }) => shape)).toEqual([
    [2, 4, 6, 4],
    [2, 2, 3, 8],
  ])
  const y = await read(() => module.up.forward(levels[1]!, levels.slice(0, 1), context))
  expect(y).toEqual(new Float32Array(2 * 4 * 6 * 3))
})

it('reads the skip connections and the lowest level, and recomputes to the bit', async () => {
  const { module, arena } = newUNet()
  using _ = arena
  randomize(arena)
  const forward = (recompute: boolean, changed: 'none' | 'skip' | 'lowest') =>
    read(() => {
      const [fine, lowest] = module.down.forward(x, { ...context, recompute })
      const skip = changed === 'skip' ? random(fine!.shape, 7) : fine!
      return module.up.forward(changed === 'lowest' ? random(lowest!.shape, 7) : lowest!, [skip], context)
    })
  const y = await forward(false, 'none')
  expect(await forward(true, 'none')).toEqual(y)
  for (const changed of ['skip', 'lowest'] as const) expect(await forward(false, changed)).not.toEqual(y)
})
