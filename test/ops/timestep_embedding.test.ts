import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { sum } from '../../lib/ops/reduce.js'
import { timestepEmbedding } from '../../lib/ops/timestep_embedding.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, hostArray } from '../host_array.js'

function reference({ t }: { t: HostArray }, C: number, maxPeriod: number): HostArray {
  const half = Math.floor(C / 2)
  const data = Float64Array.from({ length: t.data.length * C }, (_, n) => {
    const i = n % C
    if (i >= 2 * half) return 0
    const angle = t.data[Math.floor(n / C)]! * maxPeriod ** (-(i % half) / half)
    return i < half ? Math.cos(angle) : Math.sin(angle)
  })
  return { shape: [t.data.length, C], data }
}

describe('timestepEmbedding', () => {
  it.each([
    [1, 1, 10000],
    [5, 31, 10000],
    [33, 256, 10000],
    [9, 66, 100],
    [0, 8, 10000],
  ])('agrees with the reference on %i timesteps, %i channels, period %i', async (N, C, maxPeriod) => {
    const t = hostArray(
      [N],
      Array.from({ length: N }, (_, n) => (n * 113.5) % 1000),
    )
    for (const dtype of ['f32', 'bf16'] as const)
      await checkOp({
        inputs: { t },
        run: ({ t }) => timestepEmbedding(t, C, { maxPeriod, dtype }),
        reference: (inputs) => reference(inputs, C, maxPeriod),
        gradients: [],
        dtypes: ['f32'],
        outputDType: dtype,
        tolerance: 'elementwise',
      })
  })

  it('has no derivative, and says so', () => {
    const t = zeros([2])
    trackGradient(t)
    expect(() => backward(sum(timestepEmbedding(t, 4)))).toThrow('timestep_embedding has no derivative')
  })

  it('names the argument and what was received', async () => {
    expect(() => timestepEmbedding(zeros([2, 1]), 4)).toThrow('timestep_embedding: t must have 1 axes')
    expect(() => timestepEmbedding(zeros([2]), 4, { maxPeriod: 0 })).toThrow(
      'timestep_embedding: maxPeriod must be a positive number, received 0',
    )
    for (const [value, shown] of [
      [-1, '-1'],
      [NaN, 'nan'],
      [Infinity, 'inf'],
    ] as const)
      await expect(timestepEmbedding(fromArray(Float32Array.of(0, value)), 4).read()).rejects.toThrow(
        `timestep_embedding: t[1] must be finite and at least 0, received ${shown}`,
      )
  })
})
