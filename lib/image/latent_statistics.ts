/**
 * What is measured of the latents of images as they are encoded: sums, in f64, to which one image after the other is added, so
 * that an encoding that was stopped goes on to the same numbers, and those of several folders can be joined.
 */
import { z } from 'zod'
import type { EncodedImage, Image } from './image.js'
import type { LatentScale } from './latent_scale.js'

const numbers = z.array(z.number()).readonly()

export const latentStatisticsSchema = z.strictObject({
  /** Of all latents. */
  positions: z.int().min(0),
  /** C, values of a position. */
  channels: z.int().positive(),
  /** K, channels of the images. */
  imageChannels: z.int().positive(),
  /**
   * [D, D], D = C + 1 + K: sums over positions of the products of (latent, 1, pixels), the pixels of a position averaged, -1 ..
   * 1.
   */
  products: numbers,
  /** `[C]`: the least value of each channel; 0 before there is any. */
  least: numbers,
  /** `[C]`: the greatest. */
  greatest: numbers,
})

/** Sums over the latents of images. @useDeclaredType */
export type LatentStatistics = z.output<typeof latentStatisticsSchema>

/** The statistics of no image. */
export function noStatistics(channels: number, imageChannels: number): LatentStatistics {
  const zeros = (length: number) => Array<number>(length).fill(0)
  const rows = channels + 1 + imageChannels
  return {
    positions: 0,
    channels,
    imageChannels,
    products: zeros(rows ** 2),
    least: zeros(channels),
    greatest: zeros(channels),
  }
}

/** With one more image: its latent, as the autoencoder gives it, and its pixels. */
export function addLatent(
  statistics: LatentStatistics,
  { height, width, values }: EncodedImage,
  image: Image,
): LatentStatistics {
  const { channels, imageChannels } = statistics
  const rows = channels + 1 + imageChannels
  const pixels = pooledPixels(image, { height, width })
  // Of this image alone first: sums of like sizes lose least.
  const products = new Float64Array(rows ** 2)
  const least = new Float64Array(channels).fill(Infinity)
  const greatest = new Float64Array(channels).fill(-Infinity)
  const row = new Float64Array(rows)
  row[channels] = 1
  for (let position = 0; position < height * width; position++) {
    for (let c = 0; c < channels; c++) {
      const value = (row[c] = values[position * channels + c]!)
      if (value < least[c]!) least[c] = value
      if (value > greatest[c]!) greatest[c] = value
    }
    for (let k = 0; k < imageChannels; k++) row[channels + 1 + k] = pixels[position * imageChannels + k]!
    for (let i = 0; i < rows; i++) for (let j = i; j < rows; j++) products[i * rows + j]! += row[i]! * row[j]!
  }
  for (let i = 0; i < rows; i++) for (let j = 0; j < i; j++) products[i * rows + j] = products[j * rows + i]!
  return joinStatistics([
    statistics,
    {
      ...statistics,
      positions: height * width,
      products: [...products],
      least: [...least],
      greatest: [...greatest],
    },
  ])
}

/** The statistics of all images of several; they are of the same channels. */
export function joinStatistics(all: readonly LatentStatistics[]): LatentStatistics {
  const [first, ...others] = all.filter(({ positions }) => positions > 0)
  if (!first) return all[0]!
  return others.reduce(
    (joined, next) => ({
      ...joined,
      positions: joined.positions + next.positions,
      products: joined.products.map((sum, i) => sum + next.products[i]!),
      least: joined.least.map((value, c) => Math.min(value, next.least[c]!)),
      greatest: joined.greatest.map((value, c) => Math.max(value, next.greatest[c]!)),
    }),
    first,
  )
}

/** The scale by which each channel has mean 0 and variance 1; a channel of one value alone keeps its variance of 0. */
export function measuredScale(statistics: LatentStatistics): LatentScale {
  const { mean, variance } = momentsOf(statistics)
  return { mean, std: variance.map((variance) => Math.sqrt(variance) || 1), factor: 1 }
}

/** The root of the channels' mean variance; 1 where no channel has any. */
export function measuredDeviation(statistics: LatentStatistics): number {
  const { variance } = momentsOf(statistics)
  return Math.sqrt(variance.reduce((sum, each) => sum + each, 0) / variance.length) || 1
}

/** Of each channel. */
function momentsOf({ positions, channels, imageChannels, products }: LatentStatistics) {
  const rows = channels + 1 + imageChannels
  const mean = Array.from({ length: channels }, (_, c) => products[c * rows + channels]! / positions)
  const variance = mean.map((mean, c) => {
    const variance = products[c * rows + c]! / positions - mean ** 2
    // What rounding leaves of a variance of 0.
    return variance > 1e-12 * mean ** 2 ? variance : 0
  })
  return { mean, variance }
}

/** The largest absolute value of the latents, scaled: estimates of clean ones are clipped to it. */
export function largestValue(
  { least, greatest }: LatentStatistics,
  { mean, std, factor }: LatentScale,
): number {
  const scaled = [least, greatest].flatMap((values) =>
    values.map((value, c) => Math.abs(((value - mean[c]!) * factor) / std[c]!)),
  )
  return Math.max(...scaled)
}

/** The pixels of an image, -1 .. 1, averaged over what each position of its latent covers: [height, width, K]. */
export function pooledPixels(
  { width: pixelsWide, channels, data }: Image,
  { height, width }: { height: number; width: number },
): Float64Array {
  const side = pixelsWide / width
  const pooled = new Float64Array(height * width * channels)
  for (let y = 0; y < height * side; y++)
    for (let x = 0; x < pixelsWide; x++) {
      const to = (Math.floor(y / side) * width + Math.floor(x / side)) * channels
      const from = (y * pixelsWide + x) * channels
      for (let k = 0; k < channels; k++) pooled[to + k]! += data[from + k]! / 127.5 - 1
    }
  return pooled.map((sum) => sum / side ** 2)
}
