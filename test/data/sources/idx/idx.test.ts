import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { IdxError, readIdx } from '../../../../lib/data/sources/idx/idx.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { idxFile } from './idx_file.js'

const data = Array.from({ length: 24 }, (_, i) => 10 * i)
const images = idxFile([2, 3, 4], data)

async function fileWith(bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryFolder(), 'images-idx3-ubyte')
  await writeFile(path, bytes)
  return path
}

describe('readIdx', () => {
  it.each([
    ['raw', images],
    ['gzipped', gzipSync(images)],
  ])('reads a %s file', async (_, bytes) => {
    const { shape, data: read } = await readIdx(await fileWith(bytes), 3)
    expect(shape).toEqual([2, 3, 4])
    expect([...read]).toEqual(data)
  })

  it('reads a file of many chunks', async () => {
    const large = new Uint8Array(300_000).map((_, i) => i * 7)
    for (const bytes of [idxFile([300_000], large), gzipSync(idxFile([300_000], large))]) {
      expect(Buffer.compare((await readIdx(await fileWith(bytes), 1)).data, large)).toBe(0)
    }
  })

  it.each([
    ['an empty file', Buffer.alloc(0), /holds 0 bytes; the header alone .* has 16/],
    ['half a header', images.subarray(0, 10), /holds 10 bytes/],
    [
      'missing data',
      images.subarray(0, 30),
      /cut short: 14 bytes of data where its shape of \[2, 3, 4\] needs 24/,
    ],
    ['data beyond the shape', Buffer.concat([images, Buffer.of(1)]), /more data than its header announces/],
    [
      'another format',
      Buffer.from('GIF89a and so on'),
      /not an IDX file: starts with the bytes 47 49 46 38; an IDX file starts with 00 00/,
    ],
    ['another element type', Buffer.from(images).fill(0x0d, 2, 3), /element type 13; unsigned bytes, type 8/],
    ['another rank', idxFile([24], data), /has 1 dimensions; expected 3 \(images\)/],
    [
      'a shape far beyond the file',
      idxFile([2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], data),
      /cut short: 24 bytes/,
    ],
    ['a damaged gzip stream', gzipSync(images).subarray(0, 20), /cannot be read \(unexpected end of file\)/],
  ])('names the file and what is wrong with %s', async (_, bytes, message) => {
    const path = await fileWith(bytes)
    const error = await readIdx(path, 3).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(IdxError)
    expect((error as Error).message).toContain(path)
    expect((error as Error).message).toMatch(message)
  })

  it('stops decompressing where the announced data ends', async () => {
    const bomb = gzipSync(idxFile([2, 3, 4], new Uint8Array(100_000_000)))
    const before = process.memoryUsage().arrayBuffers
    await expect(readIdx(await fileWith(bomb), 3)).rejects.toThrow(/more data than its header announces/)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000)
  })

  it('names a file that is not there', async () => {
    await expect(readIdx('/nowhere/labels', 1)).rejects.toThrow(/^\/nowhere\/labels: cannot be read \(ENOENT/)
  })
})
