import { afterEach, describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { perceptualDistance } from '../../lib/ops/perceptual_distance.js'
import { sum } from '../../lib/ops/reduce.js'
import { setThreads } from '../../lib/tensor/device.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, full, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray, toTensor } from '../host_array.js'

afterEach(() => setThreads(2))

function reference(a: HostArray, b: HostArray, weight: HostArray): HostArray {
  const [N, h, w, C] = a.shape as [number, number, number, number]
  const unit = ({ data }: HostArray, position: number) => {
    const row = data.subarray(position * C, (position + 1) * C)
    const length = Math.sqrt(row.reduce((total, value) => total + value ** 2, 0))
    return row.map((value) => value / (length + 1e-10))
  }
  const data = new Float64Array(N)
  for (let position = 0; position < N * h * w; position++) {
    const [ua, ub] = [unit(a, position), unit(b, position)]
    ua.forEach((value, c) => {
      data[Math.floor(position / (h * w))]! += (weight.data[c]! * (value - ub[c]!) ** 2) / (h * w)
    })
  }
  return { shape: [N], data }
}

/** Of each position whose number divides by 3 all channels are 0. */
const withZeros = ({ shape, data }: HostArray): HostArray => ({
  shape,
  data: data.map((value, i) => (Math.floor(i / shape.at(-1)!) % 3 === 0 ? 0 : value)),
})

describe('perceptualDistance', () => {
  it.each([[[1, 1, 1, 1]], [[3, 2, 5, 31]], [[2, 7, 9, 64]], [[1, 2, 2, 1030]], [[2, 1, 1, 2100]]])(
    'agrees with the reference on %j',
    async (shape) => {
      const weight = randomArray([shape[3]!], 3)
      await checkOp({
        inputs: { a: randomArray(shape), b: withZeros(randomArray(shape, 2)) },
        run: ({ a, b }) => perceptualDistance(a, { b, weight: toTensor(weight) }),
        reference: ({ a, b }) => reference(a, b, { shape: weight.shape, data: weight.data.map(Math.fround) }),
        gradients: ['a'],
        outputDType: 'f32',
      })
    },
  )

  it.each(['f32', 'bf16'] as const)(
    'is 0 for equal features, to the bit, with no gradient: %s',
    async (dtype) => {
      const a = toTensor(randomArray([2, 5, 3, 33]), dtype)
      trackGradient(a)
      const losses = scope(() => {
        const losses = perceptualDistance(a, {
          b: toTensor(randomArray([2, 5, 3, 33]), dtype),
          weight: full([33], 1),
        })
        backward(sum(losses))
        return losses
      })
      expect([...(await losses.read())]).toEqual([0, 0])
      expect((await a.gradientTarget!.gradient.readFloats()).every((value) => value === 0)).toBe(true)
    },
  )

  it.each(['f32', 'bf16'] as const)('has a gradient of 0 where all channels of a are: %s', async (dtype) => {
    const shape = [2, 3, 3, 20]
    const a = toTensor(withZeros(randomArray(shape)), dtype)
    trackGradient(a)
    const losses = scope(() => {
      const losses = perceptualDistance(a, {
        b: toTensor(randomArray(shape, 2), dtype),
        weight: full([20], 1),
      })
      backward(sum(losses))
      return losses
    })
    expect((await losses.readFloats()).every((value) => value > 0)).toBe(true)
    const gradient = await a.gradientTarget!.gradient.readFloats()
    // Positions 0, 3, 6 .. have channels of 0 alone, and no other position has a gradient of 0 anywhere.
    const zero = [...gradient].map((value) => value === 0)
    expect(zero).toEqual([...gradient].map((_, i) => Math.floor(i / 20) % 3 === 0))
    expect(gradient.every(Number.isFinite)).toBe(true)
  })

  it('gives the same bits with any number of threads and beside other images', async () => {
    const a = toTensor(randomArray([3, 40, 30, 48]))
    const b = toTensor(randomArray([3, 40, 30, 48], 2))
    const results = [1, 2].map((threads) => {
      setThreads(threads)
      return perceptualDistance(a, { b, weight: full([48], 0.5) }).read()
    })
    expect(await results[0]).toEqual(await results[1])
    const image = 40 * 30 * 48
    const alone = perceptualDistance(a.view([1, 40, 30, 48], 2 * image), {
      b: b.view([1, 40, 30, 48], 2 * image),
      weight: full([48], 0.5),
    })
    expect((await alone.read())[0]).toBe((await results[0]!)[2])
  })

  it('has a derivative for a alone, and says so', () => {
    const b = zeros([1, 2, 2, 3])
    trackGradient(b)
    const losses = perceptualDistance(zeros([1, 2, 2, 3]), { b, weight: full([3], 1) })
    expect(() => backward(sum(losses))).toThrow('backward: perceptual_distance has no derivative for b')
  })

  it('names the argument and what was received', () => {
    const a = zeros([1, 2, 2, 3])
    const weight = zeros([3])
    expect(() => perceptualDistance(zeros([2, 3]), { b: a, weight })).toThrow(
      'perceptual_distance: a must have 4 axes',
    )
    expect(() => perceptualDistance(a, { b: zeros([1, 2, 1, 3]), weight })).toThrow(
      'perceptual_distance: b must have shape [1, 2, 2, 3], received a tensor of f32 [1, 2, 1, 3]',
    )
    expect(() => perceptualDistance(a, { b: zeros([1, 2, 2, 3], 'bf16'), weight })).toThrow(
      'perceptual_distance: b must be f32, received a tensor of bf16 [1, 2, 2, 3]',
    )
    expect(() => perceptualDistance(a, { b: a, weight: zeros([4]) })).toThrow(
      'perceptual_distance: weight must have shape [3], received a tensor of f32 [4]',
    )
    expect(() =>
      perceptualDistance(a, { b: a, weight: fromArray(new Float32Array(3), [3], 'bf16') }),
    ).toThrow('perceptual_distance: weight must be f32')
  })
})
