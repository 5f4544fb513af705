import { afterEach, describe, expect, it } from 'vitest'
import { concat } from '../../lib/ops/concat.js'
import { normal } from '../../lib/ops/noise.js'
import { reshape } from '../../lib/ops/reshape.js'
import { sampleLatents } from '../../lib/ops/sample_latents.js'
import { split } from '../../lib/ops/split.js'
import { randomSeeds } from '../../lib/random.js'
import { setThreads } from '../../lib/tensor/device.js'
import { elementsOf, type Shape } from '../../lib/tensor/shape.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray, toTensor } from '../host_array.js'
import { normals } from '../reference/noise.js'

afterEach(() => setThreads(2))

const seedsOf = (images: number) => randomSeeds(7, 'noise', 0, images)
const tensorOfSeeds = (seeds: Int32Array): Tensor => fromArray(seeds, [seeds.length / 4, 4])

/** z, and behind it the divergences: results of one op are checked together. */
const joined = ({ z, kl }: { z: HostArray; kl: HostArray }): HostArray => ({
  shape: [z.data.length + kl.data.length],
  data: Float64Array.of(...z.data, ...kl.data),
})

function reference(moments: HostArray, seeds: Int32Array): { z: HostArray; kl: HostArray } {
  const N = moments.shape[0]!
  const L = moments.shape.at(-1)! / 2
  const values = elementsOf(moments.shape) / 2 / N
  const z = new Float64Array(N * values)
  const kl = new Float64Array(N)
  for (let n = 0; n < N; n++) {
    const eps = normals(seeds.subarray(4 * n, 4 * n + 4), values)
    for (let i = 0; i < values; i++) {
      const place = Math.floor((n * values + i) / L) * 2 * L + (i % L)
      const mean = moments.data[place]!
      const logVariance = Math.min(20, Math.max(-30, moments.data[place + L]!))
      z[n * values + i] = mean + Math.exp(logVariance / 2) * eps[i]!
      kl[n]! += (mean ** 2 + Math.exp(logVariance) - 1 - logVariance) / 2
    }
  }
  const shape = [...moments.shape.slice(0, -1), L]
  return { z: { shape, data: z }, kl: { shape: [N], data: kl } }
}

describe('sampleLatents', () => {
  it.each<Shape>([
    [1, 2],
    [2, 5, 3, 8],
    [3, 31, 6],
    [1, 33, 33, 16],
    [2, 1040, 10],
  ])('agrees with the reference on moments %i, %i, ...', async (...shape) => {
    const seeds = seedsOf(shape[0]!)
    const run = (pick: 'z' | 'kl') =>
      checkOp({
        inputs: { moments: randomArray(shape) },
        run: ({ moments }) => sampleLatents(moments, tensorOfSeeds(seeds))[pick],
        reference: ({ moments }) => reference(moments, seeds)[pick],
        dtypes: ['f32', 'bf16'],
        ...(pick === 'kl' && { outputDType: 'f32' as const }),
      })
    await run('z')
    await run('kl')
  })

  it('adds up the gradients of both results', async () => {
    const seeds = seedsOf(2)
    await checkOp({
      inputs: { moments: randomArray([2, 7, 6]) },
      run: ({ moments }) => {
        const { z, kl } = sampleLatents(moments, tensorOfSeeds(seeds))
        return concat([reshape(z, [-1]), kl], 0)
      },
      reference: ({ moments }) => joined(reference(moments, seeds)),
      dtypes: ['f32'],
    })
  })

  it('clamps log-variances to -30 .. 20, where they have no derivative', async () => {
    const seeds = seedsOf(1)
    await checkOp({
      inputs: { moments: { shape: [1, 4], data: Float64Array.of(0.5, -0.25, -40, -29.5) } },
      run: ({ moments }) => sampleLatents(moments, tensorOfSeeds(seeds)).kl,
      reference: ({ moments }) => reference(moments, seeds).kl,
      outputDType: 'f32',
    })
    await checkOp({
      inputs: { moments: { shape: [1, 4], data: Float64Array.of(0.5, -0.25, 25, 19.5) } },
      run: ({ moments }) => sampleLatents(moments, tensorOfSeeds(seeds)).z,
      reference: ({ moments }) => reference(moments, seeds).z,
    })
  })

  it('adds the noise that normal makes of the same seeds', async () => {
    const [N, S, L] = [2, 700, 3]
    const seeds = tensorOfSeeds(seedsOf(N))
    const { z } = sampleLatents(zeros([N, S, 2 * L]), seeds)
    const eps = normal(fromArray(Int32Array.of(0, S, 2 * S)), seeds, L, N * S)
    expect(await z.read()).toEqual(await eps.read())
  })

  it('gives the mean, and no divergence of what is standard normal', async () => {
    const { kl } = sampleLatents(zeros([2, 5, 8]), tensorOfSeeds(seedsOf(2)))
    expect(await kl.read()).toEqual(Float32Array.of(0, 0))
    const moments = randomArray([2, 5, 8])
    moments.data.forEach((_, i) => i % 8 >= 4 && (moments.data[i] = -100))
    const certain = toTensor(moments)
    const { z } = sampleLatents(certain, tensorOfSeeds(seedsOf(2)))
    const [mean] = split(certain, [4, 4], 2)
    const [values, means] = [await z.read(), await mean!.read()]
    values.forEach((value, i) => expect(Math.abs(value - means[i]!)).toBeLessThan(2e-6))
  })

  it('gives the same bits with any number of threads', async () => {
    const moments = toTensor(randomArray([3, 5000, 10]))
    const results = [1, 2].map(async (threads) => {
      setThreads(threads)
      const { z, kl } = sampleLatents(moments, tensorOfSeeds(seedsOf(3)))
      return [await z.read(), await kl.read()]
    })
    expect(await results[0]).toEqual(await results[1])
  })

  it('names the argument and the value received', () => {
    const seeds = tensorOfSeeds(seedsOf(2))
    expect(() => sampleLatents(zeros([2, 4, 3]), seeds)).toThrow(
      'sample_latents: moments must have an even number of channels, means and log-variances, received a tensor of f32 [2, 4, 3]',
    )
    expect(() => sampleLatents(zeros([3, 4, 2]), seeds)).toThrow(
      'sample_latents: seeds must have shape [3, 4]',
    )
    expect(() => sampleLatents(zeros([2, 4, 2]), zeros([2, 4]))).toThrow('sample_latents: seeds must be i32')
    expect(() => sampleLatents(zeros([2]), seeds)).toThrow('sample_latents: moments must have 2 to 6 axes')
  })
})
