import { afterEach, describe, expect, it } from 'vitest'
import { addNoise, normal } from '../../lib/ops/noise.js'
import { randomSeeds } from '../../lib/random.js'
import { setThreads } from '../../lib/tensor/device.js'
import { fromArray, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { checkOp, compare } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'
import { imageNoise, imageOfRow } from '../reference/noise.js'

const seedsOf = (images: number) => randomSeeds(11, 'noise', 0, images)
const tensorOfSeeds = (seeds: Int32Array): Tensor => fromArray(seeds, [seeds.length / 4, 4])

afterEach(() => setThreads(2))

describe('normal', () => {
  it.each([
    [[0, 1], 1],
    [[0, 31, 31, 64], 1],
    [[0, 5, 38, 39], 3],
    [[0, 4099], 5],
    [[0], 2],
  ])('agrees with the reference on images at rows %j of %i channels', async (rows, C) => {
    const imageRows = Int32Array.from(rows)
    const seeds = seedsOf(rows.length - 1)
    const S = rows.at(-1)!
    const y = normal(fromArray(imageRows), tensorOfSeeds(seeds), C, S, 0.5)
    expect(y.shape).toEqual([S, C])
    const expected = imageNoise(imageRows, seeds, C).map((eps) => 0.5 * eps)
    compare('normal', await y.readFloats(), expected, 'f32', 'elementwise')
  })

  it('has the moments and the tails of the standard normal distribution', async () => {
    const count = 1 << 22
    const y = await normal(
      fromArray(Int32Array.of(0, count)),
      tensorOfSeeds(seedsOf(1)),
      1,
      count,
    ).readFloats()
    const sums = [0, 0, 0, 0]
    let beyond4 = 0
    for (const value of y) {
      for (let power = 1; power <= 4; power++) sums[power - 1]! += value ** power
      if (Math.abs(value) > 4) beyond4++
    }
    const [mean, second, third, fourth] = sums.map((sum) => sum / count) as [number, number, number, number]
    // Five standard errors each.
    const error = 5 / Math.sqrt(count)
    expect(Math.abs(mean)).toBeLessThan(error)
    expect(Math.abs(second - 1)).toBeLessThan(error * Math.sqrt(2))
    expect(Math.abs(third)).toBeLessThan(error * Math.sqrt(15))
    expect(Math.abs(fourth - 3)).toBeLessThan(error * Math.sqrt(96))
    const expected = 6.334e-5 * count
    expect(Math.abs(beyond4 - expected)).toBeLessThan(5 * Math.sqrt(expected))
  })

  it('draws an image alike with any number of threads and beside any other images', async () => {
    const seeds = seedsOf(3)
    const draw = (rows: number[], which: Int32Array) =>
      normal(fromArray(Int32Array.from(rows)), tensorOfSeeds(which), 3, rows.at(-1)!).readFloats()
    const three = await draw([0, 10_000, 10_007, 30_000], seeds)
    setThreads(1)
    expect(await draw([0, 10_000, 10_007, 30_000], seeds)).toEqual(three)
    expect(await draw([0, 19_993], seeds.slice(8))).toEqual(three.subarray(3 * 10_007))
  })

  it('names the argument and the value received', async () => {
    const draw = (...rows: number[]) =>
      normal(fromArray(Int32Array.from(rows)), tensorOfSeeds(seedsOf(rows.length - 1)), 2, 8).read()
    await expect(draw(1, 8)).rejects.toThrow('normal: image_rows[0] must be 0, received 1')
    await expect(draw(0, 5, 4, 8)).rejects.toThrow(
      'normal: image_rows[2] must be at least the 5 before it, received 4',
    )
    await expect(draw(0, 4, 9)).rejects.toThrow(
      'normal: image_rows[2] must be the number of rows, 8, received 9',
    )
    const imageRows = fromArray(Int32Array.of(0, 8))
    expect(() => normal(imageRows, tensorOfSeeds(seedsOf(2)), 2, 8)).toThrow(
      'normal: seeds must have shape [1, 4], received a tensor of i32 [2, 4]',
    )
    expect(() => normal(zeros([2]), tensorOfSeeds(seedsOf(1)), 2, 8)).toThrow('normal: imageRows must be i32')
    expect(() => normal(fromArray(new Int32Array(0)), tensorOfSeeds(seedsOf(0)), 2, 8)).toThrow(
      'normal: imageRows must have at least one element',
    )
    expect(() => normal(imageRows, zeros([1, 4]), 2, 8)).toThrow('normal: seeds must be i32')
    expect(() => normal(imageRows, tensorOfSeeds(seedsOf(1)), 0, 8)).toThrow(
      'normal: channels must be an integer',
    )
    expect(() => normal(imageRows, tensorOfSeeds(seedsOf(1)), 2, 8, NaN)).toThrow('normal: scale must be')
  })
})

describe('addNoise', () => {
  it.each([
    [[0, 31, 64], 1],
    [[0, 1, 1, 34], 3],
    [[0, 4099], 3],
  ])('agrees with the reference on images at rows %j of %i channels', async (rows, C) => {
    const imageRows = Int32Array.from(rows)
    const images = rows.length - 1
    const seeds = seedsOf(images)
    const alpha = Float32Array.from({ length: images }, (_, i) => 1 - 0.25 * i)
    const sigma = Float32Array.from({ length: images }, (_, i) => 0.75 * i + (images === 1 ? 0.5 : 0))
    const noise = imageNoise(imageRows, seeds, C)
    const image = imageOfRow(imageRows)
    await checkOp({
      inputs: { x0: randomArray([rows.at(-1)!, C]) },
      run: ({ x0 }) =>
        addNoise(x0, fromArray(imageRows), fromArray(alpha), fromArray(sigma), tensorOfSeeds(seeds)),
      reference: ({ x0 }: { x0: HostArray }) => ({
        shape: x0.shape,
        data: x0.data.map((value, i) => {
          const of = image[Math.floor(i / C)]!
          return alpha[of]! * value + sigma[of]! * noise[i]!
        }),
      }),
      gradients: [],
      tolerance: 'elementwise',
    })
  })

  it('names the argument and the value received', async () => {
    const [imageRows, two, seeds] = [fromArray(Int32Array.of(0, 3, 8)), zeros([2]), tensorOfSeeds(seedsOf(2))]
    const x0 = zeros([7, 2])
    await expect(addNoise(x0, imageRows, two, two, seeds).read()).rejects.toThrow(
      'add_noise: image_rows[2] must be the number of rows, 7, received 8',
    )
    expect(() => addNoise(zeros([14]), imageRows, two, two, seeds)).toThrow('add_noise: x0 must have 2 axes')
    expect(() => addNoise(x0, imageRows, zeros([3]), two, seeds)).toThrow(
      'add_noise: alpha must have shape [2]',
    )
    expect(() => addNoise(x0, imageRows, two, zeros([2], 'bf16'), seeds)).toThrow(
      'add_noise: sigma must be f32',
    )
  })
})
