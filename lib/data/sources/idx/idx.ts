import { readFile } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { isGzipped, otherFormat } from '../../../files/file_formats.js'

/** An array of bytes as an IDX file holds it: row-major, the last dimension fastest. */
export interface IdxArray {
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

/** An IDX file that cannot be read; the message names the file, what was found and what would be right. */
export class IdxError extends Error {
  override readonly name = 'IdxError'
}

const unsignedByte = 0x08

/**
 * Reads an IDX file (the format of the MNIST family, yann.lecun.com/exdb/mnist) of unsigned bytes, raw or gzipped
 * (told apart by content, not by name). Memory grows with the bytes that the file really holds; decompression
 * stops at the first chunk beyond what the header announces.
 * @param rank the number of dimensions that the caller expects: 3 for images [N, height, width], 1 for labels [N]
 * @throws IdxError
 */
export async function readIdx(path: string, rank: number): Promise<IdxArray> {
  const headerSize = 4 + 4 * rank
  const chunks: Buffer[] = []
  let header: Header | undefined
  let received = 0
  try {
    const file = await readFile(path)
    for await (const chunk of isGzipped(file) ? createGunzip().end(file) : [file]) {
      chunks.push(chunk)
      received += chunk.length
      if (header === undefined && received >= headerSize)
        header = parseHeader(Buffer.concat(chunks, headerSize), path, rank)
      if (header !== undefined && received - headerSize > header.size) {
        throw new IdxError(
          `${path}: holds more data than its header announces; a shape of ${formatShape(header.shape)} is ` +
            `exactly ${header.size} bytes after the ${headerSize} of the header`,
        )
      }
    }
  } catch (error) {
    if (error instanceof IdxError) throw error
    throw new IdxError(`${path}: cannot be read (${(error as Error).message})`, { cause: error })
  }
  if (header === undefined) {
    throw new IdxError(
      `${path}: holds ${received} bytes; the header alone of an IDX file of rank ${rank} has ${headerSize}`,
    )
  }
  if (received - headerSize < header.size) {
    throw new IdxError(
      `${path}: cut short: ${received - headerSize} bytes of data where its shape of ` +
        `${formatShape(header.shape)} needs ${header.size}`,
    )
  }
  return { shape: header.shape, data: Buffer.concat(chunks, received).subarray(headerSize) }
}

interface Header {
  readonly shape: number[]
  /** The bytes of data that the shape needs. */
  readonly size: number
}

function parseHeader(bytes: Buffer, path: string, rank: number): Header {
  const found = `starts with the bytes ${bytes
    .subarray(0, 4)
    .toString('hex')
    .replace(/(..)(?=.)/g, '$1 ')}`
  if (bytes[0] !== 0 || bytes[1] !== 0) {
    const other = otherFormat(bytes)
    if (other !== undefined) throw new IdxError(`${path}: ${other}`)
    throw new IdxError(`${path}: not an IDX file: ${found}; an IDX file starts with 00 00`)
  }
  if (bytes[2] !== unsignedByte) {
    throw new IdxError(
      `${path}: ${found}, element type ${bytes[2]}; unsigned bytes, type 8, are what can be read`,
    )
  }
  if (bytes[3] !== rank) {
    throw new IdxError(
      `${path}: has ${bytes[3]} dimensions; expected ${rank} (${rank === 3 ? 'images' : 'labels'})`,
    )
  }
  const shape = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i))
  return { shape, size: shape.reduce((product, extent) => product * extent, 1) }
}

function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`
}
