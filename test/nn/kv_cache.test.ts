import { expect, it } from 'vitest'
import { KvCache } from '../../lib/nn/kv_cache.js'
import { memory } from '../../lib/tensor/device.js'
import { fromArray, type Tensor } from '../../lib/tensor/tensor.js'
import { tensorOf } from './parts.js'

const slots = (...values: number[]): Tensor => fromArray(Int32Array.from(values))

it('writes into slots of one layer, moves slots, and frees all', async () => {
  const before = memory().tensors
  const [k, v] = [tensorOf([2, 1, 1], 1, 2), tensorOf([2, 1, 1], 10, 20)]
  const cache = new KvCache(3, 2, 1, 1, 'f32')
  expect([...(await cache.write(1, k, v, slots(2, 0)).k.readFloats())]).toEqual([2, 0, 1])
  // -1: written nowhere.
  const first = cache.write(0, k, v, slots(-1, 1))
  expect([...(await first.v.readFloats())]).toEqual([0, 20, 0])

  cache.rearrange(slots(2, -1, 0, 1))
  const none = [tensorOf([0, 1, 1]), tensorOf([0, 1, 1])] as const
  const moved = [0, 1].map((layer) => cache.write(layer, ...none, slots()))
  expect([...(await moved[1]!.k.readFloats())]).toEqual([1, 0, 2, 0])
  expect([...(await moved[0]!.v.readFloats())]).toEqual([0, 0, 0, 20])
  expect(memory().tensors - before).toBeGreaterThanOrEqual(4)
  const held = memory().tensors
  cache[Symbol.dispose]()
  expect(held - memory().tensors).toBe(4)
})
