import { expect, it } from 'vitest'
import { add } from '../../lib/ops/add.js'
import { devices, fence, memory } from '../../lib/tensor/device.js'
import { fromArray, full } from '../../lib/tensor/tensor.js'
import { settings, tinyTraining } from './tiny_training.js'

// Before the driver is loaded: each test file has a process of its own.
process.env['TRANSFUSION_SIMULATOR_DEVICES'] = '2'

it('trains on each of two GPUs at once, to the same weights', async () => {
  expect(devices()).toEqual(['cpu', 'cuda:0', 'cuda:1'])
  using first = tinyTraining(settings(3), 'cuda:0')
  using second = tinyTraining(settings(3), 'cuda:1')
  expect(second.model.network.device).toBe('cuda:1')
  const before = memory('cuda:1').tensors
  await Promise.all([first.trainer.run(), second.trainer.run()])
  expect(await second.weights()).toEqual(await first.weights())
  await fence('cuda:1')
  expect(memory('cuda:1').tensors).toBe(before)
})

it('refuses tensors of two GPUs in one call, and moves values through the host', async () => {
  const a = full([3], 1, 'f32', 'cuda:0')
  const b = full([3], 2, 'f32', 'cuda:1')
  expect(() => add(a, b)).toThrow(/add: .*cuda:1.*cuda:0|add: .*cuda:0.*cuda:1/)
  const moved = fromArray(await b.readFloats(), [3], 'f32', 'cuda:0')
  expect(await add(a, moved).read()).toEqual(Float32Array.of(3, 3, 3))
})
