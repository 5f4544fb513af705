import type { Image } from '../../../lib/image/image.js'
import { RandomDraws } from '../../../lib/random.js'

/** The picture with noise added to every value, of this standard deviation (a sum of uniform numbers, near enough to normal). */
export function withNoise(image: Image, deviation: number, seed: number): Image {
  const draws = new RandomDraws(seed, 'noise', 0)
  const data = Uint8ClampedArray.from(image.data, (value) => {
    const sum = draws.uniform() + draws.uniform() + draws.uniform() + draws.uniform() - 2
    return value + sum * Math.sqrt(3) * deviation
  })
  return { ...image, data: new Uint8Array(data.buffer) }
}

/** The square picture after a blur by a Gaussian of this standard deviation in pixels, its edges repeated outside. */
export function blurred(image: Image, deviation: number): Image {
  const { width: side, data } = image
  const reach = Math.ceil(3 * deviation)
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * deviation ** 2)),
  )
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const inside = (position: number) => Math.min(side - 1, Math.max(0, position))
  const pass = (source: Float64Array, dx: number, dy: number) =>
    source.map((_, index) => {
      const pixel = Math.floor(index / 3)
      const [x, y] = [pixel % side, Math.floor(pixel / side)]
      return weights.reduce((sum, weight, i) => {
        const from = inside(y + dy * (i - reach)) * side + inside(x + dx * (i - reach))
        return sum + (weight / total) * source[from * 3 + (index % 3)]!
      }, 0)
    })
  return { ...image, data: Uint8Array.from(pass(pass(Float64Array.from(data), 1, 0), 0, 1), Math.round) }
}
