import type { Image } from '../../image/image.js'

/** Pixels that hang together, none of them background. */
export interface Component {
  /** What `labels` has at its pixels, from 1. */
  readonly label: number
  /** The numbers of its pixels, row by row from the top left of the picture. */
  readonly pixels: Int32Array
}

/** How much darker than white a pixel's darkest channel is where it belongs to an object: half of the palest colour's. */
const leastDarkness = 62

/**
 * The connected areas (by edges, not corners) of an RGB picture that are not its white background, with at least `leastPixels`
 * pixels, and for each pixel of the picture the label of the area that it belongs to, 0 for none. Smaller areas have labels too.
 */
export function findComponents(
  { width, height, data }: Image,
  leastPixels: number,
): { components: Component[]; labels: Int32Array } {
  const labels = new Int32Array(width * height)
  const isObject = (pixel: number) =>
    labels[pixel] === 0 &&
    255 - Math.min(data[pixel * 3]!, data[pixel * 3 + 1]!, data[pixel * 3 + 2]!) >= leastDarkness
  const pixels = new Int32Array(width * height)
  const components: Component[] = []
  let label = 0
  for (let start = 0; start < labels.length; start++) {
    if (!isObject(start)) continue
    labels[start] = ++label
    pixels[0] = start
    let count = 1
    const reach = (pixel: number) => {
      if (!isObject(pixel)) return
      labels[pixel] = label
      pixels[count++] = pixel
    }
    for (let next = 0; next < count; next++) {
      const pixel = pixels[next]!
      const column = pixel % width
      if (column > 0) reach(pixel - 1)
      if (column < width - 1) reach(pixel + 1)
      if (pixel >= width) reach(pixel - width)
      if (pixel < labels.length - width) reach(pixel + width)
    }
    if (count >= leastPixels) components.push({ label, pixels: pixels.slice(0, count) })
  }
  return { components, labels }
}
