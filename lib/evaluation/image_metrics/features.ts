/** Feature vectors of N images, one a row: data [N, width]. */
export interface Features {
  /** `[N, width]`, row-major. */
  readonly data: Float32Array
  /** Features of an image. */
  readonly width: number
}

/** The number of vectors. */
export const countOf = ({ data, width }: Features): number => data.length / width

/** The vectors of the given rows, in that order; a row may be taken several times. */
export function takeRows({ data, width }: Features, rows: Int32Array): Features {
  const taken = new Float32Array(rows.length * width)
  rows.forEach((row, i) => taken.set(data.subarray(row * width, (row + 1) * width), i * width))
  return { data: taken, width }
}
