/** A grid of windows over a grid of rows: what a strided convolution reads. */
export interface WindowGrid {
  /** Side of the square grid of rows that is read. */
  side: number
  /** Side of a window, and the distance between two. */
  window: number
  stride: number
}

/** Windows along one side. */
export const windowsPerSide = ({ side, stride }: WindowGrid): number => Math.ceil(side / stride)

/**
 * The rows that each window of each image reads, for gatherRows: [images * windows * window^2] i32, windows centred
 * on every `stride`-th row, -1 (zeros) beyond the edges.
 */
export function windowRows(images: number, grid: WindowGrid): Int32Array {
  const { side, window, stride } = grid
  const out = windowsPerSide(grid)
  const half = (window - 1) >> 1
  const rows = new Int32Array(images * out * out * window * window)
  let next = 0
  for (let image = 0; image < images; image++)
    for (let windowY = 0; windowY < out; windowY++)
      for (let windowX = 0; windowX < out; windowX++)
        for (let dy = -half; dy < window - half; dy++)
          for (let dx = -half; dx < window - half; dx++) {
            const y = windowY * stride + dy
            const x = windowX * stride + dx
            const inside = y >= 0 && y < side && x >= 0 && x < side
            rows[next++] = inside ? (image * side + y) * side + x : -1
          }
  return rows
}
