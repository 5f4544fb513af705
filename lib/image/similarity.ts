import { checkArguments } from '../arguments.js'
import type { Image } from './image.js'

/** Peak signal-to-noise ratio of an image against its original, in dB of 255; Infinity where they are the same. */
export function psnr(image: Image, original: Image): number {
  checkAlike('psnr', image, original)
  const squares = image.data.reduce((sum, value, i) => sum + (value - original.data[i]!) ** 2, 0)
  return 10 * Math.log10(255 ** 2 / (squares / image.data.length))
}

/** The side of the Gaussian window of Wang et al., of standard deviation 1.5: images must be as large. */
export const ssimWindow = 11
const side = ssimWindow
const window = (() => {
  const weights = Array.from({ length: side }, (_, i) =>
    Math.exp(-((i - (side - 1) / 2) ** 2) / (2 * 1.5 ** 2)),
  )
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((weight) => weight / sum)
})()

/**
 * Structural similarity of an image to its original (Wang et al. 2004): means over all places of an 11 x 11 Gaussian window
 * that lie inside, and over the channels; 1 where they are the same. Throws a RangeError for images smaller than the window.
 */
export function ssim(image: Image, original: Image): number {
  checkAlike('ssim', image, original)
  const { width, height, channels } = image
  if (width < side || height < side)
    throw new RangeError(
      `ssim: images must have at least ${side} x ${side} pixels, received ${width} x ${height}`,
    )
  const [c1, c2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2]
  let sum = 0
  let places = 0
  for (let channel = 0; channel < channels; channel++) {
    const [x, y] = [image, original].map(({ data }) => data.filter((_, i) => i % channels === channel)) as [
      Uint8Array,
      Uint8Array,
    ]
    const smoothed = (of: (i: number) => number) =>
      smooth(
        Float64Array.from(x, (_, i) => of(i)),
        width,
        height,
      )
    const [mx, my] = [smoothed((i) => x[i]!), smoothed((i) => y[i]!)]
    const [xx, yy] = [smoothed((i) => x[i]! ** 2), smoothed((i) => y[i]! ** 2)]
    const xy = smoothed((i) => x[i]! * y[i]!)
    places += mx.length
    for (let i = 0; i < mx.length; i++) {
      const [a, b] = [mx[i]!, my[i]!]
      const covariance = xy[i]! - a * b
      const variances = xx[i]! - a ** 2 + yy[i]! - b ** 2
      sum += ((2 * a * b + c1) * (2 * covariance + c2)) / ((a ** 2 + b ** 2 + c1) * (variances + c2))
    }
  }
  return sum / places
}

/** Weighted means of the windows that lie inside. */
function smooth(values: Float64Array, width: number, height: number): Float64Array {
  const columns = width - side + 1
  const rows = height - side + 1
  const across = new Float64Array(height * columns)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < columns; x++)
      across[y * columns + x] = window.reduce(
        (sum, weight, i) => sum + weight * values[y * width + x + i]!,
        0,
      )
  const means = new Float64Array(rows * columns)
  for (let i = 0; i < means.length; i++)
    means[i] = window.reduce((sum, weight, row) => sum + weight * across[i + row * columns]!, 0)
  return means
}

function checkAlike(callee: string, image: Image, original: Image): void {
  checkArguments(callee, { image: [image, 'image'], original: [original, 'image'] })
  const sizeOf = ({ width, height, channels }: Image) => `${width} x ${height} pixels of ${channels} channels`
  if (sizeOf(image) !== sizeOf(original))
    throw new RangeError(
      `${callee}: images must be of one size, received ${sizeOf(image)}, the original has ${sizeOf(original)}`,
    )
}
