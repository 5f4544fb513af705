/**
 * Colours of a latent without its decoder: a linear map from the values of a position to the mean colour of the pixels that it
 * covers, as previews of latent diffusion commonly are. It is fitted by ridge regression.
 */
import { z } from 'zod'
import type { EncodedImage, Image } from './image.js'
import type { LatentScale } from './latent_scale.js'
import { type LatentStatistics } from './latent_statistics.js'
import { floatsToBytes } from './pixels.js'

const numbers = z.array(z.number()).readonly()

export const latentPreviewSchema = z.strictObject({
  /** [K][C]: colours, -1 .. 1, of the values that a model reads. */
  weight: z.array(numbers).readonly(),
  /** [K] */
  bias: numbers,
})

/** A linear map from the values of a position to colours. @useDeclaredType */
export type LatentPreview = z.output<typeof latentPreviewSchema>

/** Added to the variance of each channel, as a share of it, so that channels that say the same share what they say. */
const ridge = 1e-4

/** The map with the least squared error over the images of `statistics`, of values scaled by `scale`. */
export function fitPreview(
  { positions, channels, imageChannels, products }: LatentStatistics,
  scale: LatentScale,
): LatentPreview {
  const rows = channels + 1 + imageChannels
  const meanOf = (i: number) => products[i * rows + channels]! / positions
  const covariance = (i: number, j: number) => products[i * rows + j]! / positions - meanOf(i) * meanOf(j)
  const inverse = scale.std.map((std) => scale.factor / std)
  const indices = Array.from({ length: channels }, (_, c) => c)
  const system = indices.map((i) =>
    indices.map((j) => {
      const entry = covariance(i, j) * inverse[i]! * inverse[j]!
      return i === j ? entry * (1 + ridge) + Number.EPSILON : entry
    }),
  )
  const factor = cholesky(system)
  const weight = Array.from({ length: imageChannels }, (_, k) =>
    solve(
      factor,
      indices.map((i) => covariance(i, channels + 1 + k) * inverse[i]!),
    ),
  )
  const bias = weight.map((row, k) =>
    row.reduce((sum, w, c) => sum - w * (meanOf(c) - scale.mean[c]!) * inverse[c]!, meanOf(channels + 1 + k)),
  )
  return { weight, bias }
}

/** An image of `downscale` times a latent's sides, every pixel of a position alike. `values`: as a model reads them. */
export function previewImage(
  { weight, bias }: LatentPreview,
  { height, width, values }: EncodedImage,
  downscale: number,
): Image {
  const channels = bias.length as Image['channels']
  const inputs = values.length / (height * width)
  const colours = new Float32Array(height * width * channels)
  for (let position = 0; position < height * width; position++)
    for (let k = 0; k < channels; k++) {
      let sum = bias[k]!
      for (let c = 0; c < inputs; c++) sum += weight[k]![c]! * values[position * inputs + c]!
      colours[position * channels + k] = sum
    }
  return enlarged({ height, width, channels, data: floatsToBytes(colours) }, downscale)
}

function enlarged({ height, width, channels, data }: Image, factor: number): Image {
  const row = width * factor * channels
  const pixels = new Uint8Array(height * factor * row)
  for (let y = 0; y < height; y++) {
    const first = y * factor * row
    for (let x = 0; x < width * factor; x++) {
      const from = (y * width + Math.floor(x / factor)) * channels
      for (let k = 0; k < channels; k++) pixels[first + x * channels + k] = data[from + k]!
    }
    for (let copy = 1; copy < factor; copy++) pixels.copyWithin(first + copy * row, first, first + row)
  }
  return { height: height * factor, width: width * factor, channels, data: pixels }
}

/** The lower triangle L of a positive definite matrix A = L L^T. */
function cholesky(matrix: readonly (readonly number[])[]): number[][] {
  const factor = matrix.map((row) => row.map(() => 0))
  matrix.forEach((row, i) => {
    for (let j = 0; j <= i; j++) {
      let sum = row[j]!
      for (let k = 0; k < j; k++) sum -= factor[i]![k]! * factor[j]![k]!
      factor[i]![j] = i === j ? Math.sqrt(Math.max(sum, Number.EPSILON)) : sum / factor[j]![j]!
    }
  })
  return factor
}

/** The solution of L L^T x = b. */
function solve(factor: readonly (readonly number[])[], b: readonly number[]): number[] {
  const x = [...b]
  const last = x.length - 1
  for (let i = 0; i <= last; i++) {
    for (let k = 0; k < i; k++) x[i]! -= factor[i]![k]! * x[k]!
    x[i]! /= factor[i]![i]!
  }
  for (let i = last; i >= 0; i--) {
    for (let k = i + 1; k <= last; k++) x[i]! -= factor[k]![i]! * x[k]!
    x[i]! /= factor[i]![i]!
  }
  return x
}
