import { afterEach, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { memory } from '../../lib/tensor/device.js'
import { fromArray, full } from '../../lib/tensor/tensor.js'
import { settings, tinyTraining } from './tiny_training.js'

const gather = native.gather_rows
afterEach(() => void Object.assign(native, { gather_rows: gather }))

it('tells what the GPU found wrong in a step, changes nothing, and goes on bit for bit', async () => {
  const options = settings(4, { gradientAccumulation: 3 })
  const { tensors } = memory()
  {
    using whole = tinyTraining(options)
    await whole.trainer.run()
    using ids = fromArray(Int32Array.of(999))
    using training = tinyTraining(options)
    let calls = 0
    native.gather_rows = (...values) => {
      if (++calls === 8) values[2] = ids.handle
      return gather(...values)
    }
    await expect(training.trainer.run()).rejects.toThrow(/gather_rows: rows\[0\] must be .*, received 999/)
    expect(training.trainer.done.steps).toBeLessThan(4)
    // Other work goes on.
    using other = full([2], 3)
    expect(await other.read()).toEqual(Float32Array.of(3, 3))
    native.gather_rows = gather
    await training.trainer.run()
    expect(await training.weights()).toEqual(await whole.weights())
  }
  expect(memory().tensors).toBe(tensors)
})
