import { describe, expect, it } from 'vitest'
import { convTranspose2d } from '../../lib/ops/conv_transpose2d.js'
import { zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'

function reference({ x, weight }: { x: HostArray; weight: HostArray }, stride: number): HostArray {
  const [N, H, W, C] = x.shape as [number, number, number, number]
  const [, Kh, Kw, O] = weight.shape as [number, number, number, number]
  const [Ho, Wo] = [(H - 1) * stride + Kh, (W - 1) * stride + Kw]
  const y = { shape: [N, Ho, Wo, O], data: new Float64Array(N * Ho * Wo * O) }
  for (let pixel = 0; pixel < N * H * W; pixel++) {
    const [n, row, column] = [Math.floor(pixel / (H * W)), Math.floor(pixel / W) % H, pixel % W]
    for (let c = 0; c < C; c++)
      for (let u = 0; u < Kh; u++)
        for (let v = 0; v < Kw; v++)
          for (let o = 0; o < O; o++) {
            const target = ((n * Ho + row * stride + u) * Wo + column * stride + v) * O + o
            y.data[target]! += x.data[pixel * C + c]! * weight.data[((c * Kh + u) * Kw + v) * O + o]!
          }
  }
  return y
}

const cases: [number[], number[], number][] = [
  [[1, 1, 1, 1], [1, 1, 1, 1], 1],
  [[2, 3, 4, 5], [5, 2, 2, 7], 2],
  [[2, 4, 3, 16], [16, 3, 3, 32], 1],
  [[1, 3, 2, 31], [31, 4, 2, 33], 2],
  [[67, 1, 2, 3], [3, 2, 2, 2], 3],
]

describe('convTranspose2d', () => {
  it.each(cases)('agrees with the reference on x %j, weight %j, stride %j', async (shape, of, stride) => {
    const inputs = { x: randomArray(shape), weight: randomArray(of, 2) }
    await checkOp({
      inputs,
      run: ({ x, weight }) => convTranspose2d(x, weight, { stride }),
      reference: (arrays) => reference(arrays, stride),
    })
  })

  it('refuses a weight of other channels, naming both', () => {
    expect(() => convTranspose2d(zeros([1, 2, 2, 3]), zeros([4, 2, 2, 5]))).toThrow(
      'conv_transpose2d: weight must have shape [3, *, *, *]',
    )
  })
})
