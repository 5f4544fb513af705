import { afterEach, describe, expect, it } from 'vitest'
import { backward, trackGradient } from '../../lib/autograd/tape.js'
import { diffusionLoss } from '../../lib/ops/diffusion_loss.js'
import { addNoise } from '../../lib/ops/noise.js'
import { sum } from '../../lib/ops/reduce.js'
import { randomSeeds } from '../../lib/random.js'
import { setThreads } from '../../lib/tensor/device.js'
import { fromArray, full, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray, toTensor } from '../host_array.js'
import { imageNoise, imageOfRow } from '../reference/noise.js'

afterEach(() => setThreads(2))

function setting(rows: number[]) {
  const images = rows.length - 1
  const values = {
    imageRows: Int32Array.from(rows),
    targetX0: Float32Array.from({ length: images }, (_, i) => 0.5 * i - 0.25),
    targetEps: Float32Array.from({ length: images }, (_, i) => 1 - 0.5 * i),
    weight: Float32Array.from({ length: images }, (_, i) => 1 + i / 4),
    seeds: randomSeeds(5, 'noise', 1, images),
  }
  const tensors = () => ({
    imageRows: fromArray(values.imageRows),
    targetX0: fromArray(values.targetX0),
    targetEps: fromArray(values.targetEps),
    weight: fromArray(values.weight),
    seeds: fromArray(values.seeds, [images, 4]),
  })
  return { values, tensors }
}

function reference(
  prediction: HostArray,
  x0: HostArray,
  { imageRows, targetX0, targetEps, weight, seeds }: ReturnType<typeof setting>['values'],
): HostArray {
  const C = prediction.shape[1]!
  const noise = imageNoise(imageRows, seeds, C)
  const image = imageOfRow(imageRows)
  const data = new Float64Array(imageRows.length - 1)
  prediction.data.forEach((p, i) => {
    const of = image[Math.floor(i / C)]!
    const elements = (imageRows[of + 1]! - imageRows[of]!) * C
    const error = p - (targetX0[of]! * x0.data[i]! + targetEps[of]! * noise[i]!)
    data[of]! += (weight[of]! * error ** 2) / elements
  })
  return { shape: [data.length], data }
}

describe('diffusionLoss', () => {
  it.each([
    [[0, 1], 1],
    [[0, 31, 31, 64, 65], 3],
    [[0, 4099, 4100], 5],
  ])('agrees with the reference on images at rows %j of %i channels', async (rows, C) => {
    const { values, tensors } = setting(rows)
    const S = rows.at(-1)!
    await checkOp({
      inputs: { prediction: randomArray([S, C]), x0: randomArray([S, C], 2) },
      run: ({ prediction, x0 }) => diffusionLoss(prediction, { x0, ...tensors() }),
      reference: ({ prediction, x0 }) => reference(prediction, x0, values),
      gradients: ['prediction'],
      outputDType: 'f32',
    })
  })

  it('is zero for the very noise that was added', async () => {
    const { tensors } = setting([0, 300, 700])
    const { imageRows, seeds } = tensors()
    const [zero, one] = [zeros([2]), full([2], 1)]
    const eps = addNoise(zeros([700, 3]), imageRows, one, one, seeds)
    const target = { x0: zeros([700, 3]), imageRows, seeds, targetX0: zero, targetEps: one, weight: one }
    expect(await diffusionLoss(eps, target).read()).toEqual(Float32Array.of(0, 0))
  })

  it('gives the same bits with any number of threads', async () => {
    const { tensors } = setting([0, 9000, 9001, 40_000])
    const prediction = toTensor(randomArray([40_000, 3]))
    const x0 = toTensor(randomArray([40_000, 3], 2))
    const results = [1, 2].map((threads) => {
      setThreads(threads)
      return diffusionLoss(prediction, { x0, ...tensors() }).read()
    })
    expect(await results[0]).toEqual(await results[1])
  })

  it('has a derivative for the prediction alone, and says so', () => {
    const { tensors } = setting([0, 2])
    const x0 = zeros([2, 1])
    trackGradient(x0)
    const losses = diffusionLoss(zeros([2, 1]), { x0, ...tensors() })
    expect(() => backward(sum(losses))).toThrow('backward: diffusion_loss has no derivative for x0')
  })

  it('names the argument and the value received', async () => {
    const { tensors } = setting([0, 3, 8])
    const x0 = zeros([7, 2])
    await expect(diffusionLoss(zeros([7, 2]), { x0, ...tensors() }).read()).rejects.toThrow(
      'diffusion_loss: image_rows[2] must be the number of rows, 7, received 8',
    )
    expect(() => diffusionLoss(zeros([8, 2]), { x0, ...tensors() })).toThrow(
      'diffusion_loss: x0 must have shape [8, 2], received a tensor of f32 [7, 2]',
    )
    expect(() => diffusionLoss(zeros([7, 2], 'bf16'), { x0, ...tensors() })).toThrow(
      'diffusion_loss: x0 must be bf16',
    )
    expect(() => diffusionLoss(x0, { x0, ...tensors(), weight: zeros([3]) })).toThrow(
      'diffusion_loss: weight must have shape [2]',
    )
  })
})
