import { describe } from '../../describe.js'
import type { Image } from '../../image/image.js'
import { coverage, outlines } from './outlines.js'
import { background, palette, type Scene } from './scene.js'

/** Below this side, in pixels, the smallest shapes cannot be told apart. */
export const smallestSide = 32

/**
 * Draws a scene, antialiased, as an RGB picture of `side` x `side` pixels. Throws a RangeError for a side that is no integer from
 * 32.
 */
export function renderScene(scene: Scene, side: number): Image {
  if (!Number.isInteger(side) || side < smallestSide)
    throw new RangeError(
      `renderScene: side must be an integer from ${smallestSide}, received ${describe(side)}`,
    )
  const data = new Uint8Array(side * side * 3).fill(255)
  for (const { shape, colour, x, y, size } of scene) {
    const { distance } = outlines[shape]
    const rgb = palette[colour]
    const radius = (size / 2) * side
    const [left, right] = pixelRange(x * side, radius, side)
    const [top, bottom] = pixelRange(y * side, radius, side)
    for (let row = top; row < bottom; row++) {
      const v = (row + 0.5 - y * side) / radius
      for (let column = left; column < right; column++) {
        const u = (column + 0.5 - x * side) / radius
        const share = coverage(distance(u, v) * radius)
        if (share === 0) continue
        const pixel = (row * side + column) * 3
        for (let channel = 0; channel < 3; channel++) {
          const under = background[channel]!
          data[pixel + channel] = Math.round(under + share * (rgb[channel]! - under))
        }
      }
    }
  }
  return { width: side, height: side, channels: 3, data }
}

/** The pixels of a row or column, from the first to the one after the last, that something of this radius may reach. */
export function pixelRange(centre: number, radius: number, side: number): readonly [number, number] {
  return [Math.max(0, Math.floor(centre - radius - 1)), Math.min(side, Math.ceil(centre + radius + 1))]
}
