import { describe, expect, it } from 'vitest'
import type { Image } from '../../lib/image/image.js'
import { psnr, ssim } from '../../lib/image/similarity.js'

const image = (seed: number, width = 14, height = 12, channels: 1 | 3 = 3): Image => ({
  width,
  height,
  channels,
  data: Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 7919 + seed * (i % 53)) % 256),
})

/** The mean over all windows of the formula of Wang et al. 2004, window by window. */
function ssimOf(a: Image, b: Image): number {
  const { width, height, channels } = a
  const weight = (y: number, x: number) => Math.exp(-((y - 5) ** 2 + (x - 5) ** 2) / (2 * 1.5 ** 2))
  const values: number[] = []
  for (let channel = 0; channel < channels; channel++)
    for (let top = 0; top + 11 <= height; top++)
      for (let left = 0; left + 11 <= width; left++) {
        const window = Array.from({ length: 121 }, (_, i) => {
          const [y, x] = [Math.floor(i / 11), i % 11]
          const at = ((top + y) * width + left + x) * channels + channel
          return { w: weight(y, x), p: a.data[at]!, q: b.data[at]! }
        })
        const total = window.reduce((sum, { w }) => sum + w, 0)
        const mean = (of: (item: (typeof window)[number]) => number) =>
          window.reduce((sum, item) => sum + (item.w / total) * of(item), 0)
        const [p, q] = [mean((item) => item.p), mean((item) => item.q)]
        const [vp, vq] = [mean((item) => (item.p - p) ** 2), mean((item) => (item.q - q) ** 2)]
        const covariance = mean((item) => (item.p - p) * (item.q - q))
        const [c1, c2] = [2.55 ** 2, 7.65 ** 2]
        values.push(((2 * p * q + c1) * (2 * covariance + c2)) / ((p ** 2 + q ** 2 + c1) * (vp + vq + c2)))
      }
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

describe('psnr', () => {
  it('is in decibels of 255', () => {
    const grey = (value: number): Image => ({
      width: 2,
      height: 1,
      channels: 1,
      data: Uint8Array.of(value, 0),
    })
    // A mean squared error of 100^2 / 2.
    expect(psnr(grey(100), grey(200))).toBeCloseTo(10 * Math.log10(255 ** 2 / 5000), 12)
    expect(psnr(grey(7), grey(7))).toBe(Infinity)
  })
})

describe('ssim', () => {
  it.each([
    [image(1), image(2)],
    [image(1, 11, 11, 1), image(3, 11, 11, 1)],
    [image(4), image(4)],
  ])('is the mean of all windows', (a, b) => {
    expect(ssim(a, b)).toBeCloseTo(ssimOf(a, b), 10)
  })

  it('names images that do not fit', () => {
    expect(() => ssim(image(1, 10, 12), image(2, 10, 12))).toThrow(
      'ssim: images must have at least 11 x 11 pixels, received 10 x 12',
    )
    expect(() => psnr(image(1), image(1, 14, 12, 1))).toThrow(
      'psnr: images must be of one size, received 14 x 12 pixels of 3 channels, the original has 14 x 12 pixels of 1 channels',
    )
  })
})
