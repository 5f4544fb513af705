import { describe, expect, it } from 'vitest'
import { upsampleNearest } from '../../lib/ops/upsample_nearest.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'

function reference(x: HostArray, factor: number): HostArray {
  const [N, H, W, C] = x.shape as [number, number, number, number]
  const shape = [N, H * factor, W * factor, C]
  const data = Float64Array.from({ length: x.data.length * factor ** 2 }, (_, i) => {
    const column = Math.floor((Math.floor(i / C) % (W * factor)) / factor)
    const row = Math.floor(Math.floor(i / C / W / factor) / factor) // of all images
    return x.data[(row * W + column) * C + (i % C)]!
  })
  return { shape, data }
}

describe('upsampleNearest', () => {
  it.each([
    [[1, 1, 1, 1], 2],
    [[3, 5, 7, 31], 2],
    [[2, 3, 2, 33], 3],
    [[2, 4, 3, 5], 1],
    [[1, 2, 1, 4099], 2],
  ])('agrees with the reference on %j, %i times larger', async (shape, factor) => {
    await checkOp({
      inputs: { x: randomArray(shape) },
      run: ({ x }) => upsampleNearest(x, factor),
      reference: ({ x }) => reference(x, factor),
      tolerance: 'elementwise',
    })
  })

  it('works on no images', async () => {
    const y = upsampleNearest(zeros([0, 2, 3, 4]))
    expect(y.shape).toEqual([0, 4, 6, 4])
    expect((await y.readFloats()).length).toBe(0)
  })

  it('names the argument and what was received', () => {
    expect(() => upsampleNearest(zeros([2, 3, 4]))).toThrow('upsample_nearest: x must have 4 axes')
    expect(() => upsampleNearest(zeros([1, 2, 3, 4]), 1.5)).toThrow(
      'upsample_nearest: factor must be an integer in 1..4096, received 1.5',
    )
    expect(() => upsampleNearest(fromArray(new Int32Array(1), [1, 1, 1, 1]))).toThrow(
      'upsample_nearest: x must be f32 or bf16',
    )
  })
})
