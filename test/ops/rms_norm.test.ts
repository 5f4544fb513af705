import { describe, expect, it } from 'vitest'
import { rmsNorm } from '../../lib/ops/rms_norm.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'

function reference({ x, weight }: { x: HostArray; weight: HostArray }, eps = 1e-5): HostArray {
  const C = weight.data.length
  const data = x.data.slice()
  for (let start = 0; start < data.length; start += C) {
    const row = data.subarray(start, start + C)
    const rstd = 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / C + eps)
    row.forEach((value, c) => (row[c] = value * rstd * weight.data[c]!))
  }
  return { shape: x.shape, data }
}

describe('rmsNorm', () => {
  it.each([
    [1, 1],
    [3, 31],
    [130, 33],
    [2, 4099],
  ])('agrees with the reference on [%i, %i]', async (T, C) => {
    await checkOp({
      inputs: { x: randomArray([T, C]), weight: randomArray([C], 2) },
      run: ({ x, weight }) => rmsNorm(x, weight),
      reference,
    })
  })

  it('names the argument and what was received', () => {
    const x = zeros([2, 8])
    expect(() => rmsNorm(x, zeros([7]))).toThrow(
      'rms_norm: weight must have shape [8], received a tensor of f32 [7]',
    )
    expect(() => rmsNorm(x, zeros([8], 'bf16'))).toThrow('rms_norm: weight must be f32')
    expect(() => rmsNorm(fromArray(new Int32Array(8)), zeros([8]))).toThrow('rms_norm: x must be f32 or bf16')
    x.free()
    expect(() => rmsNorm(x, zeros([8]))).toThrow('rms_norm: x must be a live tensor')
  })
})
