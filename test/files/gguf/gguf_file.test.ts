import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { GgufFile } from '../../../lib/files/gguf/gguf_file.js'
import { GgufError } from '../../../lib/files/gguf/header.js'
import { readSafetensors } from '../../../lib/files/safetensors/safetensors.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { array, f32, floats, ggufBytes, string, u32 } from './gguf_bytes.js'

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/gguf/${name}`, import.meta.url))

async function valuesOf(file: GgufFile, name: string, rows?: number): Promise<number[]> {
  const values: number[] = []
  for await (const piece of file.read(name, rows)) values.push(...piece)
  return values
}

async function written(bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryFolder(), 'model.gguf')
  await writeFile(path, bytes)
  return path
}

describe('GgufFile', () => {
  it('dequantizes every type of block as gguf-py does', async () => {
    await using file = await GgufFile.open(fixture('blocks.gguf'))
    const { tensors } = await readSafetensors(fixture('blocks.safetensors'))
    expect([...file.tensors.keys()].toSorted()).toEqual([...tensors.keys()].toSorted())
    for (const [name, { shape, data }] of tensors) {
      expect(file.tensors.get(name), name).toMatchObject({ shape, type: { name } })
      expect(await valuesOf(file, name), name).toEqual([...(data as Float32Array)])
    }
  })

  it('reads metadata of every kind', async () => {
    await using file = await GgufFile.open(fixture('blocks.gguf'))
    expect(Object.fromEntries(file.metadata)).toMatchObject({
      'general.architecture': 'llama',
      largest: 2n ** 64n - 1n,
      negative: -(2 ** 40),
      double: 0.1,
      flag: true,
      words: ['', 'two words', 'ñandú'],
      numbers: [1, -2, 3],
    })
  })

  it('reads a tensor in pieces of whole rows', async () => {
    const values = Float32Array.from({ length: 3_000_000 }, (_, i) => i)
    await using file = await GgufFile.open(await written(ggufBytes([], { a: floats([1500, 2000], values) })))
    const pieces: Float32Array[] = []
    for await (const piece of file.read('a', 100)) pieces.push(piece)
    expect(pieces.length).toBeGreaterThan(2)
    for (const piece of pieces) expect(piece.length % (100 * 2000)).toBe(0)
    expect(
      Buffer.concat(pieces.map(({ buffer }) => Buffer.from(buffer))).equals(Buffer.from(values.buffer)),
    ).toBe(true)
  })

  it('reads a header that is longer than what is read of it at first', async () => {
    const words = Array.from({ length: 150_000 }, (_, i) => string(`${i} ${'x'.repeat(60)}`))
    const bytes = ggufBytes(
      [
        ['words', array(words)],
        ['after', f32(0.5)],
      ],
      { a: floats([2], [1, 2]) },
    )
    expect(bytes.length).toBeGreaterThan(2 ** 23)
    await using file = await GgufFile.open(await written(bytes))
    expect((file.metadata.get('words') as string[]).at(-1)).toBe(`149999 ${'x'.repeat(60)}`)
    expect(file.metadata.get('after')).toBe(0.5)
    expect(await valuesOf(file, 'a')).toEqual([1, 2])
  })

  const whole = ggufBytes([['name', string('a')]], { a: floats([2, 2], [1, 2, 3, 4]) })
  const changed = (at: number, bytes: readonly number[]) =>
    Buffer.concat([whole.subarray(0, at), Buffer.from(bytes), whole.subarray(at + bytes.length)])
  it.each<[message: string, bytes: Buffer]>([
    ['begins with "GGML"; a GGUF file begins with "GGUF"', changed(0, [...Buffer.from('GGML')])],
    ['begins with ""; a GGUF file begins with "GGUF"', Buffer.alloc(0)],
    ['the beginning at byte 0 takes 8 bytes; the file has 6 more', whole.subarray(0, 6)],
    ['is of GGUF version 1; those read are 2 and 3', changed(4, [1])],
    ['is a GGUF file of big-endian values; those read are little-endian', changed(4, [0, 0, 0, 3])],
    [
      'announces 4611686018427387904 tensors, each of at least 24 bytes; the file has ' +
        `${whole.length - 16} more bytes`,
      changed(8, [0, 0, 0, 0, 0, 0, 0, 64]),
    ],
    [
      '"words" has values of the type 99; the format\'s are 0 to 12, an array\'s items no arrays',
      ggufBytes([['words', { type: 99, bytes: Buffer.alloc(8) }]]),
    ],
    [
      '"words" has values of the type 9; the format\'s are 0 to 12, an array\'s items no arrays',
      ggufBytes([['words', array([array([f32(1)])])]]),
    ],
    [
      'announces 1000000000000 items of "words", each of at least 4 bytes; the file has 11 more bytes',
      ggufBytes([['words', array([f32(1)], 10 ** 12)]]),
    ],
    [
      'has the key "name" twice',
      ggufBytes([
        ['name', u32(1)],
        ['name', u32(2)],
      ]),
    ],
    [
      'tensor "a" has 5 axes; the format has at most 4',
      ggufBytes([], { a: floats([1, 1, 1, 1, 2], [1, 2]) }),
    ],
    [
      'tensor "a" is of the type IQ4_XS; those read are F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16',
      ggufBytes([], { a: { type: 23, shape: [256], bytes: new Uint8Array(136) } }),
    ],
    [
      'tensor "a" has rows of 48 values; those of Q8_0 are multiples of 32',
      ggufBytes([], { a: { type: 8, shape: [2, 48], bytes: new Uint8Array(102) } }),
    ],
    [
      'tensor "a" begins at byte 16 of the data, no multiple of 32',
      ggufBytes([], { a: { ...floats([2], [1, 2]), begin: 16 } }),
    ],
    [
      '"general.alignment" is 0; expected a positive integer',
      ggufBytes([['general.alignment', u32(0)]], { a: floats([2], [1, 2]) }),
    ],
    ['tensor "a" ends at byte 112; the file has 108 bytes: it is cut short', whole.subarray(0, 108)],
  ])('refuses a file that %s', async (message, bytes) => {
    const path = await written(bytes)
    const error: unknown = await GgufFile.open(path).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(GgufError)
    expect((error as Error).message).toBe(`${path}: ${message}`)
  })

  it('names a file that is not there, and a tensor that a file lacks', async () => {
    const path = join(await temporaryFolder(), 'none.gguf')
    await expect(GgufFile.open(path)).rejects.toThrow(`${path}: no such file`)
    await using file = await GgufFile.open(await written(whole))
    await expect(valuesOf(file, 'b')).rejects.toThrow('has no tensor "b"')
  })
})
