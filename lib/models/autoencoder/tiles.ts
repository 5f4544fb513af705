/**
 * A large image or latent in tiles that overlap: a network's memory grows with what it computes at once. Where tiles overlap
 * their results are blended linearly, as diffusers' tiled autoencoders do, so that no seam shows.
 */
import type { ImageSize } from '../../image/image.js'

/** How an image is cut into tiles. */
export interface Tiling {
  /** Side of a tile. */
  readonly side: number
  /** Rows, and columns, that neighbours share at least; less than the side. */
  readonly overlap: number
}

/** Values [height, width, channels]. */
export interface Field extends ImageSize {
  readonly channels: number
  readonly values: Float32Array
}

/** Where tiles begin along an axis: evenly, the last one at the end. */
export function tileStarts(size: number, { side, overlap }: Tiling): number[] {
  if (size <= side) return [0]
  const count = Math.ceil((size - overlap) / (side - overlap))
  return Array.from({ length: count }, (_, i) => Math.round((i * (size - side)) / (count - 1)))
}

/**
 * What `run` makes of a field, tile by tile. `run` gives a field whose sides are `factor` times those of its argument: 8 for
 * the decoder of latents of 8 pixels each, 1 / 8 for their encoder, of which starts and sides of tiles must then be multiples
 * (`unit`).
 */
export async function runInTiles(
  field: Field,
  tiling: Tiling,
  { factor, unit = 1 }: { factor: number; unit?: number },
  run: (tile: Field) => Promise<Field>,
): Promise<Field> {
  const { height, width } = field
  const units = { side: tiling.side / unit, overlap: tiling.overlap / unit }
  const rows = tileStarts(height / unit, units).map((start) => start * unit)
  const columns = tileStarts(width / unit, units).map((start) => start * unit)
  const tile = { height: Math.min(height, tiling.side), width: Math.min(width, tiling.side) }
  if (rows.length === 1 && columns.length === 1) return run(field)

  const whole = { height: height * factor, width: width * factor }
  let sums: Float32Array | undefined
  let channels = 0
  const weights = new Float32Array(whole.height * whole.width)
  for (const [i, top] of rows.entries())
    for (const [j, left] of columns.entries()) {
      const result = await run(crop(field, top, left, tile))
      channels = result.channels
      sums ??= new Float32Array(weights.length * channels)
      const down = ramps(rows, i, tile.height, factor)
      const across = ramps(columns, j, tile.width, factor)
      for (let y = 0; y < result.height; y++)
        for (let x = 0; x < result.width; x++) {
          const weight = down[y]! * across[x]!
          const place = (top * factor + y) * whole.width + left * factor + x
          weights[place]! += weight
          const from = (y * result.width + x) * channels
          for (let c = 0; c < channels; c++) sums[place * channels + c]! += weight * result.values[from + c]!
        }
    }
  return { ...whole, channels, values: sums!.map((sum, i) => sum / weights[Math.floor(i / channels)]!) }
}

/** The weight of each row of tile `index`: it rises over what it shares with the tile before, and falls towards the next. */
function ramps(starts: readonly number[], index: number, side: number, factor: number): Float32Array {
  const shared = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? 0 : (a + side - b) * factor
  const before = shared(starts[index - 1], starts[index])
  const after = shared(starts[index], starts[index + 1])
  const length = side * factor
  return Float32Array.from({ length }, (_, i) =>
    Math.min(1, (i + 0.5) / Math.max(before, 0.5), (length - i - 0.5) / Math.max(after, 0.5)),
  )
}

function crop({ width, channels, values }: Field, top: number, left: number, size: ImageSize): Field {
  const cut = new Float32Array(size.height * size.width * channels)
  const row = size.width * channels
  for (let y = 0; y < size.height; y++) {
    const from = ((top + y) * width + left) * channels
    cut.set(values.subarray(from, from + row), y * row)
  }
  return { ...size, channels, values: cut }
}
