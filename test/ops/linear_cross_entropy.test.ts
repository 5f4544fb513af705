import { describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { add } from '../../lib/ops/add.js'
import { crossEntropy } from '../../lib/ops/cross_entropy.js'
import { linear } from '../../lib/ops/linear.js'
import { linearCrossEntropy } from '../../lib/ops/linear_cross_entropy.js'
import { sum } from '../../lib/ops/reduce.js'
import { scale } from '../../lib/ops/scale.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp, compare } from '../check_op.js'
import { type HostArray, randomArray, randomInts, roundTo, toTensor } from '../host_array.js'
import { crossEntropy as reference, penalties as referencePenalties } from '../reference/cross_entropy.js'
import { matmul } from '../reference/matmul.js'

const logitsOf = (x: HostArray, weight: HostArray) => matmul(x, weight, { transposeB: true })

describe('linearCrossEntropy', () => {
  it.each([
    [1, 1, 1],
    [7, 5, 31],
    [67, 33, 17],
    [3, 9, 4099],
    [0, 4, 5],
  ])('agrees with the reference on %i rows of %i channels, %i tokens', async (T, C, V) => {
    const labels = randomInts(T, V)
    if (T > 2) labels[1] = -1
    const weights = Float32Array.from({ length: T }, (_, t) => (t % 5) / 2)
    const inputs = { x: randomArray([T, C], 1, 0.7), weight: randomArray([V, C], 2) }
    await checkOp({
      inputs,
      run: ({ x, weight }) =>
        linearCrossEntropy(x, weight, fromArray(labels), { weights: fromArray(weights) }).losses,
      reference: ({ x, weight }) => reference(logitsOf(x, weight), labels, weights),
      outputDType: 'f32',
      dtypes: ['f32'],
    })
    const factors = { labelSmoothing: 0.2, zLoss: 0.02 }
    await checkOp({
      inputs,
      run: ({ x, weight }) => {
        const { losses, penalties } = linearCrossEntropy(x, weight, fromArray(labels), factors)
        return add(losses, scale(penalties!, 3))
      },
      reference: ({ x, weight }) => {
        const logits = logitsOf(x, weight)
        const added = referencePenalties(logits, labels, factors)
        return {
          shape: [T],
          data: reference(logits, labels).data.map((loss, t) => loss + 3 * added.data[t]!),
        }
      },
      outputDType: 'f32',
      dtypes: ['f32'],
    })
  })

  it('in bf16 has the losses of exact products, and the gradients of rounded logits’ gradients', async () => {
    const [T, C, V] = [23, 33, 300]
    const labels = randomInts(T, V)
    const x = roundTo(randomArray([T, C], 1, 0.7), 'bf16')
    const weight = roundTo(randomArray([V, C], 2), 'bf16')
    const gradients: Record<string, Float32Array>[] = []
    for (const dtype of ['bf16', 'f32'] as const) {
      const tensors = { x: toTensor(x, dtype), weight: toTensor(weight, dtype) }
      const targets = [trackGradient(tensors.x), trackGradient(tensors.weight)] as const
      const { losses } = linearCrossEntropy(tensors.x, tensors.weight, fromArray(labels))
      compare('losses', await losses.readFloats(), reference(logitsOf(x, weight), labels).data, 'f32')
      backward(sum(losses))
      gradients.push({ x: await targets[0].readFloats(), weight: await targets[1].readFloats() })
    }
    for (const name of ['x', 'weight']) {
      const [rounded, exact] = [gradients[0]![name]!, gradients[1]![name]!]
      const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      rounded.forEach((value, i) => expect(Math.abs(value - exact[i]!)).toBeLessThan(largest * 2 ** -8))
      expect(rounded).not.toEqual(exact)
    }
  })

  it('has the losses of crossEntropy to the bit, and no penalties without factors', async () => {
    const [x, weight] = [toTensor(randomArray([9, 13])), toTensor(randomArray([31, 13], 2))]
    const labels = fromArray(randomInts(9, 31))
    const { losses, penalties } = linearCrossEntropy(x, weight, labels)
    expect(await losses.read()).toEqual(await crossEntropy(linear(x, weight), labels).read())
    expect(penalties).toBeUndefined()
  })

  it('names the argument and what was received', async () => {
    const [x, weight, labels] = [zeros([2, 3]), zeros([4, 3]), fromArray(Int32Array.of(0, 4))]
    expect(() => linearCrossEntropy(zeros([2, 2]), weight, labels)).toThrow(
      'linear_cross_entropy: weight must have shape [*, 2]',
    )
    expect(() => linearCrossEntropy(x, weight, zeros([2]))).toThrow(
      'linear_cross_entropy: labels must be i32',
    )
    expect(() => linearCrossEntropy(x, weight, labels, { zLoss: NaN })).toThrow(
      'linear_cross_entropy: zLoss must be a finite number, received NaN',
    )
    await expect(linearCrossEntropy(x, weight, labels).losses.read()).rejects.toThrow(
      'labels[1] must be -1 or in 0..3, received 4',
    )
    const weights = zeros([2])
    trackGradient(weights)
    const { losses } = linearCrossEntropy(x, weight, fromArray(Int32Array.of(0, 1)), { weights })
    expect(() => backward(sum(losses))).toThrow(
      'backward: linear_cross_entropy has no derivative for weights',
    )
  })
})
