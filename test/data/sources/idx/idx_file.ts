/** The bytes of an IDX file of unsigned bytes. */
export function idxFile(shape: number[], data: ArrayLike<number>): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length)
  header[2] = 0x08
  header[3] = shape.length
  shape.forEach((extent, i) => header.writeUInt32BE(extent, 4 + 4 * i))
  return Buffer.concat([header, Uint8Array.from(data)])
}
