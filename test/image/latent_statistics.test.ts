import { describe, expect, it } from 'vitest'
import type { EncodedImage, Image } from '../../lib/image/image.js'
import { calibrationOf } from '../../lib/image/latent_calibration.js'
import { fitPreview, previewImage } from '../../lib/image/latent_preview.js'
import { scaleLatents } from '../../lib/image/latent_scale.js'
import {
  addLatent,
  joinStatistics,
  largestValue,
  measuredScale,
  noStatistics,
  pooledPixels,
} from '../../lib/image/latent_statistics.js'
import { generator } from '../host_array.js'

const downscale = 2
const next = generator(7)

/** Two channels of three that colours follow from, and a third that says nothing; far from zero. */
function example(height: number, width: number): { latent: EncodedImage; image: Image } {
  const values = Float32Array.from({ length: height * width * 3 }, (_, i) => [300, -2, 0.5][i % 3]! + next())
  const data = new Uint8Array(height * width * downscale ** 2 * 3)
  const row = width * downscale
  for (let y = 0; y < height * downscale; y++)
    for (let x = 0; x < row; x++) {
      const position = Math.floor(y / downscale) * width + Math.floor(x / downscale)
      const [a, b] = values.subarray(3 * position)
      // Pixels of a position differ around their mean, which is linear in the latent.
      const wave = (x + y) % 2 === 0 ? 5 : -5
      data.set(
        [200 * (a! - 300) + 20 + wave, 100 * (b! + 2) + 50 + wave, 128 + wave].map(Math.round),
        (y * row + x) * 3,
      )
    }
  return {
    latent: { height, width, values },
    image: { height: height * downscale, width: row, channels: 3, data },
  }
}

const examples = [example(4, 4), example(2, 6), example(8, 8), example(1, 1)]
const statisticsOf = (some: typeof examples) =>
  some.reduce((statistics, { latent, image }) => addLatent(statistics, latent, image), noStatistics(3, 3))
const all = statisticsOf(examples)

describe('statistics of latents', () => {
  it('give each channel mean 0 and variance 1, wherever it lies', () => {
    const scale = measuredScale(all)
    const scaled = examples.flatMap(({ latent }) => Array.from(scaleLatents(latent.values, scale)))
    for (const channel of [0, 1, 2]) {
      const values = scaled.filter((_, i) => i % 3 === channel)
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length
      expect(mean).toBeCloseTo(0, 4)
      expect(variance).toBeCloseTo(1, 4)
    }
    expect(largestValue(all, scale)).toBeCloseTo(Math.max(...scaled.map(Math.abs)), 4)
  })

  it('are those of all images, joined in parts, through JSON, too', () => {
    const parts = [examples.slice(0, 1), examples.slice(1)].map(statisticsOf)
    const joined = joinStatistics([...parts, noStatistics(3, 3)])
    expect(joined.positions).toBe(all.positions)
    joined.products.forEach((sum, i) => expect(sum).toBeCloseTo(all.products[i]!, 6))
    expect([joined.least, joined.greatest]).toEqual([all.least, all.greatest])
    const kept = JSON.parse(JSON.stringify(statisticsOf(examples.slice(0, 2)))) as typeof all
    const onward = examples.slice(2).reduce((sums, { latent, image }) => addLatent(sums, latent, image), kept)
    expect(onward).toEqual(all)
  })

  it('leave a channel of one value alone unscaled', () => {
    const { latent, image } = example(2, 2)
    const values = latent.values.map((value, i) => (i % 3 === 2 ? 0.1 : value))
    const statistics = addLatent(noStatistics(3, 3), { ...latent, values }, image)
    expect(measuredScale(statistics).std[2]).toBe(1)
    const { weight, bias } = fitPreview(statistics, measuredScale(statistics))
    expect([...weight.flat(), ...bias].every(Number.isFinite)).toBe(true)
  })

  it('refuse to calibrate by no image, and keep the scale only where it is measured', () => {
    const own = { mean: [1, 2, 3], std: [1, 1, 1], factor: 0.5 }
    expect(() => calibrationOf(noStatistics(3, 3), own, 'measured')).toThrow('an image or more')
    expect(calibrationOf(all, own, 'measured').scale).toEqual(measuredScale(all))
    const { scale, range } = calibrationOf(all, own, 'autoencoder')
    expect(scale).toBeUndefined()
    expect(range).toBe(largestValue(all, own))
  })
})

describe('a preview of a latent', () => {
  it.each([measuredScale(all), { mean: [0, 0, 0], std: [2, 1, 1], factor: 0.25 }])(
    'has the colours of pixels that are linear in the latent: %#',
    (scale) => {
      const map = fitPreview(all, scale)
      const { latent, image } = example(4, 6)
      const values = scaleLatents(latent.values, scale)
      const made = previewImage(map, { ...latent, values }, downscale)
      expect(made).toMatchObject({ height: 8, width: 12, channels: 3 })
      const expected = pooledPixels(image, latent)
      const shown = pooledPixels(made, latent)
      shown.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(0.02))
    },
  )

  it('is the mean colour where the latent says nothing', () => {
    const { latent, image } = example(3, 3)
    const constant = { ...latent, values: new Float32Array(27).fill(0.25) }
    const statistics = addLatent(noStatistics(3, 3), constant, image)
    const scale = measuredScale(statistics)
    const made = previewImage(
      fitPreview(statistics, scale),
      { ...constant, values: scaleLatents(constant.values, scale) },
      1,
    )
    const mean = (k: number) => image.data.filter((_, i) => i % 3 === k).reduce((a, b) => a + b, 0) / 36
    for (const k of [0, 1, 2]) expect(Math.abs(made.data[k]! - mean(k))).toBeLessThan(1)
  })
})
