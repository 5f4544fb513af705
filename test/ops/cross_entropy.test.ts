import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { add } from '../../lib/ops/add.js'
import { crossEntropy, penalizedCrossEntropy } from '../../lib/ops/cross_entropy.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { randomArray, randomInts } from '../host_array.js'
import { crossEntropy as reference, penalties as referencePenalties } from '../reference/cross_entropy.js'

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
    // The sum of exponents is 1 + exp(-12) in f32, whose values above 1 are 2^-23 apart: half of that is the error of the loss,
    // log(1 + d) being d for such a d. The others, of exp and log themselves, are 2^-24 of a loss of 6e-6 each.
    expect(Math.abs(losses[0]! - Math.log1p(Math.exp(-12)))).toBeLessThanOrEqual(1.001 * 2 ** -24)
    // exp(-30) is less than half of 2^-23: the sum is 1.
    expect(losses[1]).toBe(0)
  })

  it('has no derivative for the weights, and says so', () => {
    const weights = zeros([1])
    trackGradient(weights)
    const losses = crossEntropy(zeros([1, 2]), fromArray(Int32Array.of(0)), { weights })
    expect(() => backward(sum(losses))).toThrow('backward: cross_entropy has no derivative for weights')
  })

  it('names the argument and what was received', async () => {
    const labels = fromArray(Int32Array.of(0, 3))
    expect(() => crossEntropy(zeros([3, 2]), labels)).toThrow('cross_entropy: labels must have shape [3]')
    expect(() => crossEntropy(zeros([2, 3]), zeros([2]))).toThrow('cross_entropy: labels must be i32')
    expect(() => crossEntropy(zeros([2, 3]), labels, { weights: zeros([3]) })).toThrow(
      'cross_entropy: weights must have shape [2]',
    )
    await expect(crossEntropy(zeros([2, 3]), labels).read()).rejects.toThrow(
      'cross_entropy: labels[1] must be -1 or in 0..2, received 3',
    )
  })
})

describe('penalizedCrossEntropy', () => {
  const sizes = [
    [1, 1],
    [7, 31],
    [67, 33],
    [3, 4099],
    [0, 5],
  ] as const
  const penalties = [{ labelSmoothing: 0.1 }, { zLoss: 0.02 }, { labelSmoothing: 0.3, zLoss: 1e-2 }]

  it.each(penalties)('agrees with the reference (%o)', async (options) => {
    for (const [T, V] of sizes) {
      const labels = randomInts(T, V)
      if (T > 2) labels[1] = -1
      const weights = Float32Array.from({ length: T }, (_, t) => (t % 5) / 2)
      for (const weighted of [undefined, weights]) {
        const run = (logits: Tensor) =>
          penalizedCrossEntropy(logits, fromArray(labels), {
            ...options,
            ...(weighted && { weights: fromArray(weighted) }),
          })
        const inputs = { logits: randomArray([T, V], 1, 5) }
        await checkOp({
          inputs,
          run: ({ logits }) => run(logits).penalties,
          reference: ({ logits }) => referencePenalties(logits, labels, options, weighted),
          outputDType: 'f32',
        })
        // Both at once, by different factors.
        await checkOp({
          inputs,
          run: ({ logits }) => {
            const { losses, penalties } = run(logits)
            return add(losses, scale(penalties, 3))
          },
          reference: ({ logits }) => {
            const plain = reference(logits, labels, weighted)
            const added = referencePenalties(logits, labels, options, weighted)
            return { shape: [T], data: plain.data.map((loss, t) => loss + 3 * added.data[t]!) }
          },
          outputDType: 'f32',
        })
      }
    }
  })

  it('has the losses of crossEntropy to the bit, and nothing to add without options', async () => {
    const logits = fromArray(Float32Array.from(randomArray([9, 13]).data), [9, 13])
    const labels = fromArray(randomInts(9, 13))
    const { losses, penalties } = penalizedCrossEntropy(logits, labels, { labelSmoothing: 0.2, zLoss: 0.1 })
    expect(await losses.read()).toEqual(await crossEntropy(logits, labels).read())
    expect((await penalties.read()).every((value) => value !== 0)).toBe(true)
    const none = penalizedCrossEntropy(logits, labels)
    expect((await none.penalties.read()).every((value) => value === 0)).toBe(true)
  })

  it('bears a logit of -infinity without smoothing', async () => {
    const logits = fromArray(Float32Array.of(0, -Infinity), [1, 2])
    const { penalties } = penalizedCrossEntropy(logits, fromArray(Int32Array.of(0)), { zLoss: 1 })
    expect(await penalties.read()).toEqual(Float32Array.of(0))
  })

  it('names an option that is out of range', () => {
    const [logits, labels] = [zeros([2, 3]), fromArray(Int32Array.of(0, 1))]
    expect(() => penalizedCrossEntropy(logits, labels, { labelSmoothing: 1.5 })).toThrow(
      'cross_entropy: labelSmoothing must be in 0..1, received 1.5',
    )
    expect(() => penalizedCrossEntropy(logits, labels, { zLoss: NaN })).toThrow(
      'cross_entropy: zLoss must be a finite number, received NaN',
    )
  })
})
