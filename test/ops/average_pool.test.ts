import { describe, expect, it } from 'vitest'
import { averagePool } from '../../lib/ops/average_pool.js'
import { zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'

function reference(x: HostArray, factor: number): HostArray {
  const [N, H, W, C] = x.shape as [number, number, number, number]
  const shape = [N, H / factor, W / factor, C]
  const data = new Float64Array(x.data.length / factor ** 2)
  x.data.forEach((value, i) => {
    const column = Math.floor((Math.floor(i / C) % W) / factor)
    const row = Math.floor(Math.floor(i / C / W) / factor) // of all images
    data[((row * W) / factor + column) * C + (i % C)]! += value / factor ** 2
  })
  return { shape, data }
}

describe('averagePool', () => {
  it.each([
    [[1, 2, 2, 1], 2],
    [[3, 6, 10, 31], 2],
    [[2, 3, 9, 33], 3],
    [[2, 4, 3, 5], 1],
    [[1, 2, 4, 4099], 2],
  ])('agrees with the reference on %j, %i times smaller', async (shape, factor) => {
    await checkOp({
      inputs: { x: randomArray(shape) },
      run: ({ x }) => averagePool(x, factor),
      reference: ({ x }) => reference(x, factor),
    })
  })

  it('works on no images', async () => {
    const y = averagePool(zeros([0, 2, 4, 3]))
    expect(y.shape).toEqual([0, 1, 2, 3])
    expect((await y.readFloats()).length).toBe(0)
  })

  it('names the argument and what was received', () => {
    expect(() => averagePool(zeros([2, 3, 4]))).toThrow('average_pool: x must have 4 axes')
    expect(() => averagePool(zeros([1, 2, 3, 4]))).toThrow(
      'average_pool: x must have height and width that are multiples of 2, received a tensor of f32 [1, 2, 3, 4]',
    )
    expect(() => averagePool(zeros([1, 2, 2, 4]), 0)).toThrow(
      'average_pool: factor must be an integer in 1..4096, received 0',
    )
  })
})
