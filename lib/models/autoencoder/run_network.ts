/** Images and latents of any sizes through an autoencoder's network: alike ones together, large ones in tiles. */
import { noGrad } from '../../autograd/tape.js'
import type { Image, ImageSize } from '../../image/image.js'
import { bytesToFloats } from '../../image/pixels.js'
import { cast } from '../../ops/cast.js'
import { withDevice } from '../../tensor/device.js'
import { scope } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import { downscaleOf } from './config.js'
import type { AutoencoderNetwork } from './network.js'
import { type Field, runInTiles } from './tiles.js'

/** What is computed: [N, h, w, C] -> [N, factor h, factor w, C']. */
export type NetworkBody = (network: AutoencoderNetwork, x: Tensor) => Tensor

/** How fields are computed. */
export interface NetworkRun {
  /** Sides of what the network gives, for those of what it is given. */
  readonly factor: number
  /** Side in pixels, beyond which fields are computed in tiles; 512 by default. */
  readonly tile?: number
}

/** In pixels: with it Stable Diffusion's decoder takes 1.7 GiB in f32, 1 GiB in bf16, its weights and encoder included. */
const usualTile = 512

/** The side of a tile that a network's are by default: a quarter of it, which neighbours share, is whole positions. */
export function defaultTile(downscale: number): number {
  const unit = 4 * downscale
  return Math.ceil(usualTile / unit) * unit
}

/** An image's pixels as a network reads them, -1 .. 1. */
export const pixelsOf = ({ height, width, channels, data }: Image): Field => ({
  height,
  width,
  channels,
  values: bytesToFloats(data),
})

/** Pixels that go through the network at once: two images of 512 x 512, or 8 of 256 x 256. */
export const pixelsAtOnce = 2 ** 19

/** Runs the network on images or latents; the results are in their order. */
export async function runNetwork(
  network: AutoencoderNetwork,
  fields: readonly Field[],
  { factor, tile = defaultTile(downscaleOf(network.config)) }: NetworkRun,
  body: NetworkBody,
): Promise<Field[]> {
  // Of images, tiles begin where positions of latents do.
  const unit = factor <= 1 ? downscaleOf(network.config) : 1
  const inPixels = Math.max(1, factor)
  const tiling = { side: tile / inPixels, overlap: tile / 4 / inPixels }
  const isLarge = ({ height, width }: Field) => Math.max(height, width) > tiling.side
  const run = (alike: readonly Field[]) => runAlike(network, alike, factor, body)
  const results: Field[] = []
  for (const part of together(fields, pixelsAtOnce / inPixels ** 2)) {
    const alike = part.map((index) => fields[index]!)
    const made = isLarge(alike[0]!)
      ? await Promise.all(
          alike.map((field) =>
            runInTiles(field, tiling, { factor, unit }, async (tile) => (await run([tile]))[0]!),
          ),
        )
      : await run(alike)
    part.forEach((index, i) => (results[index] = made[i]!))
  }
  return results
}

/** Runs the network on fields of one size at once. */
async function runAlike(
  network: AutoencoderNetwork,
  fields: readonly Field[],
  factor: number,
  body: NetworkBody,
): Promise<Field[]> {
  const { device, compute } = network.arena
  const { height, width, channels, values } = fields[0]!
  const joined = new Float32Array(fields.length * values.length)
  fields.forEach((field, i) => joined.set(field.values, i * values.length))
  using result = withDevice(device, () =>
    noGrad(() =>
      scope(() => body(network, cast(fromArray(joined, [fields.length, height, width, channels]), compute))),
    ),
  )
  const made = await result.readFloats()
  const length = made.length / fields.length
  return fields.map((_, i) => ({
    height: height * factor,
    width: width * factor,
    channels: result.size(3),
    values: made.slice(i * length, (i + 1) * length),
  }))
}

/** Indices of neighbours of one size, of so many positions together at most, or one. */
export function together(sizes: readonly ImageSize[], positions: number): number[][] {
  const parts: number[][] = []
  sizes.forEach(({ height, width }, index) => {
    const part = parts.at(-1)
    const first = part && sizes[part[0]!]!
    const fits = part && (part.length + 1) * height * width <= positions
    if (fits && first!.height === height && first!.width === width) part.push(index)
    else parts.push([index])
  })
  return parts
}
