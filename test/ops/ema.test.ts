import { describe, expect, it } from 'vitest'
import { native } from '../../lib/native.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { randomArray, toTensor } from '../host_array.js'

describe.each([1, 33, 40_001])('on %i elements', (count) => {
  const [x, y] = [randomArray([count]), randomArray([count], 2)]

  it.each([
    [0, 0.99, 0.1],
    [5, 0.99, 6 / 15],
    [5, 0.3, 0.3],
    [100_000, 0.99, 0.99],
  ])('ema after %i updates with at most %d keeps %d of the average', async (before, maxDecay, decay) => {
    const [average, updates] = [toTensor(y), fromArray(Int32Array.of(before))]
    native.ema(average.handle, updates.handle, toTensor(x).handle, maxDecay)
    const expected = y.data.map((value, i) => decay * value + (1 - decay) * x.data[i]!)
    compare('average', await average.readFloats(), expected, 'f32', 'elementwise')
    expect(await updates.readInts()).toEqual(Int32Array.of(before + 1))
  })

  it('swap exchanges two tensors', async () => {
    const [a, b] = [toTensor(x), toTensor(y)]
    const before = [await a.readFloats(), await b.readFloats()]
    native.swap(a.handle, b.handle)
    expect([await b.readFloats(), await a.readFloats()]).toEqual(before)
  })
})
