import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { crossEntropy } from '../../lib/ops/cross_entropy.js'
import { sum } from '../../lib/ops/reduce.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray, randomInts } from '../host_array.js'

function reference(logits: HostArray, labels: Int32Array, weights?: Float32Array): HostArray {
  const [T, V] = logits.shape as [number, number]
  const data = Float64Array.from({ length: T }, (_, t) => {
    if (labels[t]! < 0) return 0
    const row = logits.data.subarray(t * V, (t + 1) * V)
    const largest = row.reduce((most, value) => Math.max(most, value), -Infinity)
    const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0)
    return (weights?.[t] ?? 1) * (largest - row[labels[t]!]! + Math.log(total))
  })
  return { shape: [T], data }
}

describe('crossEntropy', () => {
  it.each([
    [1, 1],
    [7, 31],
    [67, 33],
    [3, 4099],
    [0, 5],
  ])('agrees with the reference on %i rows of %i logits', async (T, V) => {
    const labels = randomInts(T, V)
    if (T > 2) labels[1] = -1
    const weights = Float32Array.from({ length: T }, (_, t) => (t % 5) / 2)
    for (const weighted of [undefined, weights])
      await checkOp({
        inputs: { logits: randomArray([T, V], 1, 5) },
        run: ({ logits }) =>
          crossEntropy(logits, fromArray(labels), { weights: weighted && fromArray(weighted) }),
        reference: ({ logits }) => reference(logits, labels, weighted),
        outputDType: 'f32',
      })
  })

  it('bears large logits and keeps small losses', async () => {
    const logits = fromArray(Float32Array.of(1e4, 1e4 - 12, -Infinity, 0, 30, -3e38), [2, 3])
    const losses = await crossEntropy(logits, fromArray(Int32Array.of(0, 1))).read()
    expect(losses[0]! / Math.log1p(Math.exp(-12))).toBeCloseTo(1, 1)
    expect(losses[1]).toBeGreaterThanOrEqual(0)
    expect(losses[1]).toBeLessThan(1e-12)
  })

  it('has no derivative for the weights, and says so', () => {
    const weights = zeros([1])
    trackGradient(weights)
    const losses = crossEntropy(zeros([1, 2]), fromArray(Int32Array.of(0)), { weights })
    expect(() => backward(sum(losses))).toThrow('cross_entropy: there is no derivative for weights')
  })

  it('names the argument and what was received', async () => {
    const labels = fromArray(Int32Array.of(0, 3))
    expect(() => crossEntropy(zeros([3, 2]), labels)).toThrow('cross_entropy: labels must have shape [3]')
    expect(() => crossEntropy(zeros([2, 3]), zeros([2]))).toThrow('cross_entropy: labels must be i32')
    expect(() => crossEntropy(zeros([2, 3]), labels, { weights: zeros([3]) })).toThrow(
      'cross_entropy: weights must have shape [2]',
    )
    await expect(crossEntropy(zeros([2, 3]), labels).read()).rejects.toThrow(
      'cross_entropy: labels[1] = 3 is not -1 nor in 0..2',
    )
  })
})
