import { describe, expect, it } from 'vitest'
import { mul } from '../lib/ops/mul.js'
import { scale } from '../lib/ops/scale.js'
import { checkOp, compare } from './check_op.js'
import { type HostArray, hostArray, randomArray, toTensor } from './host_array.js'

describe('the comparison of ops with their references', () => {
  it.each([0, 1, 2])('fails at NaN or infinity in element %i', (place) => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const values = [1, 2, 3].with(place, bad)
      const message = `y: element ${place} is ${bad}, expected ${place + 1}`
      expect(() => compare('y', values, [1, 2, 3], 'f32')).toThrow(message)
      expect(() => compare('y', [1, 2, 3], values, 'bf16')).toThrow('y: element')
    }
  })

  it('takes what is not finite where the reference is not, and is strict beside it', () => {
    compare('y', [Infinity, NaN, 3], [Infinity, NaN, 3], 'f32')
    expect(() => compare('y', [Infinity, NaN, 3], [Infinity, NaN, 3.1], 'f32')).toThrow('element 2 is 3')
  })

  it('fails for wrong values, and for a gradient that is half of what it should be', async () => {
    const x = randomArray([5], 1)
    const square = {
      inputs: { x },
      dtypes: ['f32' as const],
      reference: (inputs: { x: HostArray }) =>
        hostArray(
          [5],
          inputs.x.data.map((value) => value ** 2),
        ),
    }
    await checkOp({ ...square, run: ({ x }) => mul(x, x) })
    await expect(checkOp({ ...square, run: ({ x }) => scale(x, 2) })).rejects.toThrow('f32 forward: element')
    const constant = toTensor(x)
    await expect(checkOp({ ...square, run: ({ x }) => mul(x, constant) })).rejects.toThrow(
      'f32 gradient of x: element',
    )
  })
})
