// What only a kernel sees is said as on the CPU, and costs no more than its own results.
import { describe, expect, it } from 'vitest'
import { crossEntropy } from '../../lib/ops/cross_entropy.js'
import { diffusionLoss } from '../../lib/ops/diffusion_loss.js'
import { addNoise, normal } from '../../lib/ops/noise.js'
import { argmax, sampleTokens } from '../../lib/ops/sampling.js'
import { randomSeeds } from '../../lib/random.js'
import { withDevice } from '../../lib/tensor/device.js'
import { fromArray, full, type Tensor, zeros } from '../../lib/tensor/tensor.js'

const ints = (...values: number[]) => fromArray(Int32Array.from(values))
const floats = (...values: number[]) => fromArray(Float32Array.from(values))
const seeds = (count: number) => fromArray(randomSeeds(3, 'noise', 0, count), [count, 4])

const sample = (logits: Tensor, temperature: number[], topK: number[], topP: number[], minP: number[]) =>
  sampleTokens(logits, {
    temperature: floats(...temperature),
    topK: ints(...topK),
    topP: floats(...topP),
    minP: floats(...minP),
    seeds: seeds(temperature.length),
  })

const calls: Record<string, () => Tensor> = {
  'labels beyond the last': () => crossEntropy(zeros([5, 7]), ints(-1, 6, 7, 2 ** 31 - 1, -3)),
  'labels below -1': () => crossEntropy(zeros([3, 5000]), ints(4999, -(2 ** 31), 5000)),
  'images that do not begin with 0': () => normal(ints(5, 3, 2 ** 30), seeds(2), 3, 8),
  'images that end before they begin': () => normal(ints(0, 2 ** 30, 6, 5, 8), seeds(4), 3, 8),
  'images beyond the last row': () =>
    addNoise(zeros([8, 3]), ints(0, 2, 1e9), full([2], 1), full([2], 1), seeds(2)),
  'no images of rows': () => normal(ints(0), fromArray(new Int32Array(0), [0, 4]), 3, 8),
  'images short of the last row': () =>
    diffusionLoss(zeros([9000, 3]), {
      x0: zeros([9000, 3]),
      imageRows: ints(0, 4, 8999),
      targetX0: full([2], 1),
      targetEps: full([2], 1),
      weight: full([2], 1),
      seeds: seeds(2),
    }),
  'options out of range, of which the first counts': () =>
    sample(zeros([3, 4]), [1, 1, Infinity], [0, -5, -7], [1, 2, 0], [0, NaN, 0]),
  'options and logits': () => sample(full([2, 4], NaN), [1, 1], [0, 0], [1, 1], [0, 1.5]),
  'logits that are infinite': () =>
    sample(floats(0, 1, Infinity, 2).view([2, 2]), [1, 1], [0, 0], [1, 1], [0, 0]),
  'logits that leave none': () => sample(full([2, 2000], -Infinity), [1, 0], [0, 0], [1, 1], [0, 0]),
  'logits that are not numbers': () => argmax(floats(0, 1, 2, NaN, NaN, 5).view([3, 2])),
}

describe('bad data is named as on the CPU, and the next call works', () => {
  it.each(Object.entries(calls))('%s', async (_, call) => {
    const messages = await Promise.all(
      (['cpu', 'cuda'] as const).map((device) =>
        withDevice(device, call)
          .read()
          .then(
            () => 'none',
            (error: Error) => error.message,
          ),
      ),
    )
    expect(messages[0]).not.toBe('none')
    expect(messages[1]).toBe(messages[0])
    expect(await withDevice('cuda', () => full([3], 2)).read()).toEqual(Float32Array.of(2, 2, 2))
  })
})
