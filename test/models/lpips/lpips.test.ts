import { describe, expect, it } from 'vitest'
import { backward, noGrad, trackGradient } from '../../../lib/autograd/tape.js'
import { AutoencoderNetwork } from '../../../lib/models/autoencoder/network.js'
import { PatchDiscriminator } from '../../../lib/models/autoencoder/training/discriminator.js'
import { autoencoderLoss, type Judges } from '../../../lib/models/autoencoder/training/loss.js'
import { autoencoderTrainingSchema } from '../../../lib/models/autoencoder/training/options.js'
import type { Lpips } from '../../../lib/models/lpips/lpips.js'
import { sum } from '../../../lib/ops/reduce.js'
import { memory } from '../../../lib/tensor/device.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray, full, type Tensor, zeros } from '../../../lib/tensor/tensor.js'
import { randomArray, toTensor } from '../../host_array.js'
import { cases, channelsLast, imagesOf, load, path, tensors } from './fixture.js'

/** Distances of two images, and the gradient to the first. */
async function compare(lpips: Lpips, first: Tensor, second: Tensor) {
  const gradient = trackGradient(first)
  const distances = scope(() => {
    const distances = lpips.distance(first, second)
    backward(sum(distances))
    return distances
  })
  return { distances: [...(await distances.readFloats())], gradient: await gradient.readFloats() }
}

const worst = (found: ArrayLike<number>, expected: ArrayLike<number>): number =>
  Array.from(found).reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)

describe.each(Object.keys(cases))("%s images of PyPI's lpips", (name) => {
  const { float64, per_layer, float32_error } = cases[name]!

  it('have its distances and the gradient', async () => {
    const { first, second, factor } = imagesOf(name)
    const { distances, gradient } = await compare(await load(), first, second)
    // Four roundings of numbers below 1, where lpips happens to make none; equal images are 0 apart to the bit.
    const error = name === 'same' ? 0 : Math.max(4 * float32_error.distance, 4 * 2 ** -24)
    expect(worst(distances, float64)).toBeLessThanOrEqual(error)
    const expected = channelsLast(tensors.get(`${name}.gradient`)!).values
    const ofOurs = expected.map((value) => value / factor)
    // `float32_error` is relative to the largest.
    const largest = ofOurs.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    expect(worst(gradient, ofOurs)).toBeLessThanOrEqual(4 * float32_error.gradient * largest)
  })

  it("have each layer's share", async () => {
    const { first, second } = imagesOf(name)
    const shares = (await load()).shares(first, second)
    for (const [slice, share] of shares.entries())
      expect(worst(await share.readFloats(), per_layer[slice]!), `slice ${slice}`).toBeLessThan(2e-7)
  })

  it('are as far apart in bf16 to its precision', async () => {
    const { first, second } = imagesOf(name)
    const lpips = await load(path, { compute: 'bf16' })
    const { distances, gradient } = await compare(lpips, first, second)
    expect(worst(distances, float64)).toBeLessThan(0.01 * Math.max(...float64, 0.1))
    expect(gradient.every(Number.isFinite)).toBe(true)
  })
})

describe('distance', () => {
  it('takes an image as it is beside others, of any dtype', async () => {
    const lpips = await load()
    const { first, second } = imagesOf('batch')
    const both = await lpips.distance(first, second).readFloats()
    const size = 33 * 45 * 3
    const one = (images: Tensor) => images.view([1, 33, 45, 3], size)
    expect((await lpips.distance(one(first), one(second)).readFloats())[0]).toBe(both[1])
    const rounded = (images: Tensor) =>
      fromArray(Float32Array.from({ length: 0 }), [0, 33, 45, 3], images.dtype)
    expect((await lpips.distance(rounded(first), rounded(second)).readFloats()).length).toBe(0)
  })

  it('takes a gray image as one whose three channels are equal', async () => {
    const lpips = await load()
    const gray = [1, 2].map((seed) => randomArray([2, 17, 20, 1], seed, 1))
    const [first, second] = gray.map((image) => toTensor(image)) as [Tensor, Tensor]
    const [firstOf3, secondOf3] = gray.map(({ data }) =>
      fromArray(
        Float32Array.from({ length: 3 * data.length }, (_, i) => data[Math.floor(i / 3)]!),
        [2, 17, 20, 3],
      ),
    ) as [Tensor, Tensor]
    const found = await compare(lpips, first, second)
    const expected = await compare(lpips, firstOf3, secondOf3)
    expect(worst(found.distances, expected.distances)).toBeLessThan(1e-6)
    const summed = found.gradient.map((_, i) =>
      expected.gradient.subarray(3 * i, 3 * i + 3).reduce((a, b) => a + b),
    )
    expect(worst(found.gradient, summed)).toBeLessThan(1e-6)
  })

  it('has no gradient for the second image and none for its weights', async () => {
    const lpips = await load()
    const { first, second } = imagesOf('noisy')
    const gradient = trackGradient(second)
    const before = memory().live
    const distances = lpips.distance(first, second)
    expect(() => backward(sum(distances))).toThrow('must depend on a parameter')
    distances.free()
    expect([...(await gradient.readFloats())].every((value) => value === 0)).toBe(true)
    // Features are freed.
    expect(memory().live).toBeLessThan(before + 4096)
  })

  it('keeps of the second image only what it compares', async () => {
    const lpips = await load()
    const [first, second] = [zeros([1, 64, 64, 3]), full([1, 64, 64, 3], 0.5)]
    trackGradient(first)
    const floats = (sizes: number[]) => sizes.reduce((total, size) => total + 4 * size, 0)
    const layers = [64 * 64 * 8, 32 * 32 * 16, 16 * 16 * 32, 8 * 8 * 64, 4 * 4 * 64]
    const before = memory().live
    const distances = lpips.distance(first, second)
    const held = memory().live - before
    // Of the first image each ReLU's result and what the poolings give.
    const own = floats([2, 2, 3, 3, 3].map((count, slice) => count * layers[slice]!))
    const poolings = floats(layers.slice(1).map((size, slice) => size / [2, 2, 2, 1][slice]!))
    const scaled = floats([2 * 64 * 64 * 3])
    expect(held).toBeLessThan(1.02 * (own + poolings + scaled + floats(layers)))
    backward(sum(distances))
    distances.free()
  })

  it('names images that do not fit', async () => {
    const lpips = await load()
    const y = zeros([1, 16, 20, 3])
    const fails = (first: Tensor, second: Tensor, message: string) =>
      expect(() => noGrad(() => lpips.distance(first, second))).toThrow(message)
    const small = zeros([1, 20, 15, 3])
    fails(
      small,
      small,
      'Lpips: y must have images of at least 16 by 16 pixels, received a tensor of f32 [1, 20, 15, 3]',
    )
    fails(
      y,
      zeros([2, 16, 20, 3]),
      "Lpips: x must have y's shape [1, 16, 20, 3], received a tensor of f32 [2, 16, 20, 3]",
    )
    fails(zeros([1, 16, 20, 4]), y, 'Lpips: y must have shape [*, *, *, 3] or [*, *, *, 1]')
    fails(y, zeros([16, 20, 3]), 'Lpips: x must have shape [*, *, *, 3] or [*, *, *, 1]')
    fails(y, fromArray(new Int32Array(960), [1, 16, 20, 3]), 'Lpips: x must be f32 or bf16')
  })
})

it('judges an autoencoder, beside a discriminator too', async () => {
  const lpips = await load()
  using network = new AutoencoderNetwork({ channels: [4], blocks: 1, latentChannels: 2, groups: 2 })
  network.arena.initialize(1)
  using discriminator = new PatchDiscriminator({ imageChannels: 3, channels: 2, layers: 1 })
  discriminator.arena.initialize(1)
  const side = { height: 16, width: 24, channels: 3 } as const
  const values = Float32Array.from(randomArray([2, 16, 24, 3], 3, 1).data)
  const batch = { step: 0, images: 2, values, seeds: new Int32Array(8).fill(5), imagesOfStep: 2 }
  const { loss } = autoencoderTrainingSchema.parse({ steps: 1, loss: { discriminator: { start: 0 } } })
  /** The term, and the gradients of the autoencoder. */
  const judged = async (judges: Judges) => {
    network.arena.zeroGradients()
    const { total, terms } = scope(() => autoencoderLoss(network, batch, side, loss, judges))
    scope(() => backward(total))
    return {
      term: (await terms['perceptual']?.readFloats())?.[0],
      gradients: await network.arena.gradients.readFloats(),
    }
  }
  for (const others of [{}, { discriminator }]) {
    const plain = await judged(others)
    const perceptual = await judged({ ...others, perceptual: { network: lpips } })
    expect(plain.term).toBeUndefined()
    expect(perceptual.term).toBeGreaterThan(0.01)
    expect(perceptual.gradients.every(Number.isFinite)).toBe(true)
    expect(worst(perceptual.gradients, plain.gradients)).toBeGreaterThan(1e-6)
  }
})
