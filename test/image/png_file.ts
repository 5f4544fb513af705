import { crc32 } from 'node:zlib'

/** The bytes of a PNG file with these chunks, whatever they hold; the last, IEND, is added. */
export function pngFile(...chunks: readonly (readonly [type: string, body: Uint8Array])[]): Buffer {
  const framed = [...chunks, ['IEND', Buffer.alloc(0)] as const].map(([type, body]) => {
    const named = Buffer.concat([Buffer.from(type), body])
    const chunk = Buffer.alloc(named.length + 8)
    chunk.writeUInt32BE(body.length)
    named.copy(chunk, 4)
    chunk.writeUInt32BE(crc32(named), named.length + 4)
    return chunk
  })
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...framed])
}
