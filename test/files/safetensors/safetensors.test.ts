import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  SafetensorsError,
  readSafetensors,
  writeSafetensors,
  type SafetensorsTensor,
} from '../../../lib/files/safetensors/safetensors.js'
import { SafetensorsReader } from '../../../lib/files/safetensors/safetensors_reader.js'
import { temporaryFolder } from '../../temporary_folder.js'

const fixture = new URL('../../fixtures/safetensors/dtypes.safetensors', import.meta.url).pathname

/** A file of the format, put together by hand. */
function fileOf(header: unknown, dataSize: number): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, Buffer.alloc(dataSize, 1)])
}

async function readBytes(bytes: Uint8Array) {
  const path = join(await temporaryFolder(), 'model.safetensors')
  await writeFile(path, bytes)
  return readSafetensors(path)
}

const f32 = (shape: unknown, begin: unknown, end: unknown) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
})

it('asks for a path', async () => {
  await expect(readSafetensors(undefined as never)).rejects.toThrow('readSafetensors: path must be a string')
})

describe('readSafetensors', () => {
  it('reads every dtype as the reference library wrote it', async () => {
    const { metadata, tensors } = await readSafetensors(fixture)
    expect(metadata).toEqual({ format: 'np', note: 'é' })
    expect(Object.fromEntries(tensors)).toEqual({
      f32: { dtype: 'f32', shape: [2, 3], data: Float32Array.of(1.5, -2.25, 2 ** -126, Infinity, 0, -0) },
      f16: {
        dtype: 'f32',
        shape: [8],
        data: Float32Array.of(1, -2.5, 6.097555160522461e-5, 2 ** -24, 65504, Infinity, -0, 0.3330078125),
      },
      bf16: { dtype: 'bf16', shape: [3], data: Uint16Array.of(0x3f80, 0xc020, 0x7f80) },
      i32: { dtype: 'i32', shape: [2, 1], data: Int32Array.of(-2147483648, 7) },
      i64: { dtype: 'i64', shape: [1], data: BigInt64Array.of(-9007199254740993n) },
      empty: { dtype: 'f32', shape: [0, 4], data: new Float32Array(0) },
    })
  })

  it('reads more halves than it takes at once', async () => {
    const count = 2 ** 20 + 3
    const { tensors } = await readBytes(
      Buffer.concat([
        fileOf({ w: { dtype: 'F16', shape: [count], data_offsets: [0, 2 * count] } }, 0),
        Buffer.from(Uint16Array.from({ length: count }, (_, i) => 0x3c00 + (i % 5)).buffer),
      ]),
    )
    const { data } = tensors.get('w')!
    expect(data.every((value, i) => value === 1 + (i % 5) / 1024)).toBe(true)
  })

  // As safetensors 0.8.0 for Python does.
  it.each<[string, Buffer, string[]]>([
    ['metadata that is null', fileOf({ __metadata__: null, a: f32([1], 0, 4) }, 4), ['a']],
    ['no tensor', fileOf({ __metadata__: { format: 'pt' } }, 0), []],
    ['a tensor without axes', fileOf({ a: f32([], 0, 4) }, 4), ['a']],
    [
      'tensors without elements',
      fileOf({ c: f32([0], 4, 4), a: f32([0, 3], 0, 0), b: f32([1], 0, 4) }, 4),
      ['a', 'b', 'c'],
    ],
    ['spaces around the header', fileOf(` ${JSON.stringify({ a: f32([1], 0, 4) })} \n  `, 4), ['a']],
    ['fields of other versions', fileOf({ a: { ...f32([1], 0, 4), comment: 'x' } }, 4), ['a']],
    [
      'names of any kind',
      fileOf(
        '{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a/b \\"\\u00e9":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}',
        12,
      ),
      ['__proto__', 'a/b "é', ''],
    ],
  ])('reads a file with %s', async (_what, bytes, names) => {
    const { tensors } = await readBytes(bytes)
    expect([...tensors.keys()]).toEqual(names)
    for (const { data } of tensors.values())
      expect(Buffer.from(data.buffer).every((byte) => byte === 1)).toBe(true)
  })

  it('reads tensors beside others whose dtype it does not read, and rounds f64', async () => {
    const other = (dtype: string, bits: number) => {
      const header = {
        x: { dtype, shape: [8], data_offsets: [0, bits] },
        w: { dtype: 'F64', shape: [2], data_offsets: [bits, bits + 16] },
      }
      return Buffer.concat([fileOf(header, bits), Buffer.from(Float64Array.of(0.1, -1e300).buffer)])
    }
    const path = join(await temporaryFolder(), 'model.safetensors')
    for (const [dtype, bits] of Object.entries({
      BOOL: 8,
      F4: 4,
      F6_E2M3: 6,
      F8_E4M3: 8,
      U8: 8,
      I16: 16,
      U32: 32,
      U64: 64,
      C64: 64,
    })) {
      await writeFile(path, other(dtype, bits))
      await using reader = await SafetensorsReader.open(path)
      expect(await reader.read('w')).toEqual({
        dtype: 'f32',
        shape: [2],
        data: Float32Array.of(0.1, -Infinity),
      })
      await expect(reader.read('x')).rejects.toThrow(`tensor "x" has the dtype ${dtype}; those read are`)
    }
  })

  it.each([
    ['an empty file', Buffer.alloc(0), 'holds 0 bytes; a safetensors file has at least 8'],
    [
      'a header larger than the file',
      Buffer.from('ffffffffffffff7f7b7d', 'hex'),
      'announces a header of 9223372036854775807 bytes; this file of 10 bytes has room for 2',
    ],
    ['a header that is not JSON', fileOf('{"a":', 0), 'its header is not JSON'],
    ['a header that is not UTF-8', fileOf('{"a":1}', 0).fill(0xff, 10, 11), 'its header is not JSON'],
    ['a header that is a list', fileOf([], 0), 'its header is not a JSON object'],
    [
      'metadata that is no text',
      fileOf({ __metadata__: { step: 3 } }, 0),
      '__metadata__ is not an object of strings',
    ],
    ['an entry that is no object', fileOf({ w: 3 }, 0), 'entry of tensor "w" is not an object'],
    [
      'a dtype not read',
      fileOf({ w: { ...f32([4], 0, 4), dtype: 'F8_E4M3' } }, 4),
      'tensor "w" has the dtype F8_E4M3; those read are F32, F64, F16, BF16, I32, I64',
    ],
    [
      'a dtype that the format has not',
      fileOf({ w: { ...f32([1], 0, 4), dtype: 'f32' } }, 4),
      'tensor "w" has the dtype "f32"; the format\'s are BOOL, F4,',
    ],
    [
      'elements that do not fill their last byte',
      fileOf({ w: { ...f32([3], 0, 2), dtype: 'F4' } }, 2),
      'tensor "w" has 2 bytes; F4 [3] has 1.5',
    ],
    [
      'a pointer of Git LFS',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234\n'),
      'is a Git LFS pointer, not the file itself: fetch it with "git lfs pull"',
    ],
    [
      'metadata with null',
      fileOf({ __metadata__: { step: null } }, 0),
      '__metadata__ is not an object of strings',
    ],
    [
      'a tensor without elements inside another',
      fileOf({ a: f32([1], 0, 4), b: f32([0], 2, 2) }, 4),
      'tensor "b" begins at byte 2, inside the one before it',
    ],
    [
      'a dtype from the prototype',
      fileOf({ w: { ...f32([1], 0, 4), dtype: 'toString' } }, 4),
      'has the dtype "toString"',
    ],
    ['a negative extent', fileOf({ w: f32([-1], 0, 4) }, 4), 'tensor "w" has the shape [-1]'],
    ['an extent that is no integer', fileOf({ w: f32([1.5], 0, 6) }, 6), 'tensor "w" has the shape [1.5]'],
    [
      'offsets in the wrong order',
      fileOf({ w: f32([1], 4, 0) }, 4),
      'has the data_offsets [4,0]; expected [begin, end]',
    ],
    [
      'a missing offset',
      fileOf({ w: { dtype: 'F32', shape: [1], data_offsets: [0] } }, 4),
      'has the data_offsets [0]',
    ],
    ['a size unlike the shape', fileOf({ w: f32([2], 0, 4) }, 4), 'tensor "w" has 4 bytes; F32 [2] has 8'],
    [
      'a shape that overflows',
      fileOf({ w: f32([2 ** 53 - 1, 2 ** 53 - 1], 0, 4) }, 4),
      'tensor "w" has 4 bytes',
    ],
    [
      'data beyond the file',
      fileOf({ w: f32([2 ** 40], 0, 2 ** 42) }, 4),
      'tensor "w" ends at byte 4398046511104, but the file holds 4 bytes of data',
    ],
    [
      'tensors that overlap',
      fileOf({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12),
      'tensor "b" begins at byte 4, inside the one before it, which ends at 8',
    ],
    [
      'a gap',
      fileOf({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12),
      'bytes 4 to 8, before tensor "b", belong to no tensor',
    ],
    [
      'data of no tensor',
      fileOf({ a: f32([1], 0, 4) }, 12),
      'its tensors end at byte 4, but the file holds 12 bytes of data',
    ],
  ])('refuses %s', async (_, bytes, message) => {
    const error = await readBytes(bytes).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(SafetensorsError)
    expect((error as Error).message).toMatch(/^\/.*model\.safetensors: /)
    expect((error as Error).message).toContain(message)
  })

  it('survives thousands of mutated files with a result inside the file, or a SafetensorsError', async () => {
    const original = await readFile(fixture)
    const path = join(await temporaryFolder(), 'mutated.safetensors')
    const headerEnd = 8 + Number(original.readBigUInt64LE())
    let state = 1
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const interesting = [...Buffer.from('0123456789-+.eE[]{}",:'), 0x00, 0x7f, 0xff]
    let refused = 0
    for (let round = 0; round < 3000; round++) {
      let bytes = Buffer.from(original)
      for (let edits = 1 + random(3); edits > 0; edits--) {
        const at = random(headerEnd)
        const kind = random(4)
        if (kind === 0) bytes = bytes.subarray(0, random(bytes.length))
        else if (kind === 1)
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(4))])
        else if (at < bytes.length)
          bytes[at] = kind === 2 ? random(256) : interesting[random(interesting.length)]
      }
      await writeFile(path, bytes)
      const outcome = await readSafetensors(path).catch((reason: unknown) => reason as Error)
      if (outcome instanceof SafetensorsError) {
        refused++
        continue
      }
      if (outcome instanceof Error) throw outcome
      const total = [...outcome.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0)
      // Only F16 grows, to twice its bytes.
      expect(total).toBeLessThanOrEqual(2 * bytes.length)
    }
    expect(refused).toBeGreaterThan(2000)
    expect(refused).toBeLessThan(3000)
  })
})

describe('writeSafetensors', () => {
  const tensors = new Map<string, SafetensorsTensor>([
    ['odd', { dtype: 'bf16', shape: [3], data: Uint16Array.of(1, 2, 3) }],
    ['layers.0.weight', { dtype: 'f32', shape: [2, 2], data: Float32Array.of(1, -2, 3.5, NaN) }],
    ['step', { dtype: 'i64', shape: [], data: BigInt64Array.of(12n) }],
    ['ids', { dtype: 'i32', shape: [1, 2], data: Int32Array.of(-1, 5) }],
    ['7', { dtype: 'f32', shape: [0], data: new Float32Array(0) }],
    ['__proto__', { dtype: 'i32', shape: [1], data: Int32Array.of(9) }],
  ])

  it('reads back what it wrote', async () => {
    const path = join(await temporaryFolder(), 'model.safetensors')
    await writeSafetensors(path, tensors, { config: '{"heads":4}', ü: '日本' })
    const read = await readSafetensors(path)
    expect(read.metadata).toEqual({ config: '{"heads":4}', ü: '日本' })
    expect(new Map([...read.tensors].toSorted())).toEqual(new Map([...tensors].toSorted()))
  })

  it('writes a view of a larger buffer', async () => {
    const path = join(await temporaryFolder(), 'model.safetensors')
    const data = Float32Array.of(0, 1, 2, 3).subarray(1, 3)
    await writeSafetensors(path, new Map([['view', { dtype: 'f32', shape: [2], data }]]))
    expect((await readSafetensors(path)).tensors.get('view')!.data).toEqual(Float32Array.of(1, 2))
  })

  it('aligns every tensor to its element size', async () => {
    const path = join(await temporaryFolder(), 'model.safetensors')
    await writeSafetensors(path, tensors)
    const bytes = await readFile(path)
    const length = Number(bytes.readBigUInt64LE())
    expect(length % 8).toBe(0)
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString())
    for (const [name, size] of [
      ['step', 8],
      ['layers.0.weight', 4],
      ['ids', 4],
      ['odd', 2],
    ] as const) {
      expect(header[name].data_offsets[0] % size).toBe(0)
    }
  })

  it('writes the same bytes in whatever order the tensors come', async () => {
    const folder = await temporaryFolder()
    await writeSafetensors(join(folder, 'a'), tensors)
    await writeSafetensors(join(folder, 'b'), new Map([...tensors].toReversed()))
    expect(await readFile(join(folder, 'a'))).toEqual(await readFile(join(folder, 'b')))
  })

  it.each([
    [
      'a wrong length',
      'w',
      { dtype: 'f32', shape: [3], data: new Float32Array(2) },
      'has 2 values; its shape [3] has 3',
    ],
    [
      'a wrong array',
      'w',
      { dtype: 'bf16', shape: [2], data: new Float32Array(2) },
      'is bf16, whose values are a Uint16Array',
    ],
    [
      'a reserved name',
      '__metadata__',
      { dtype: 'f32', shape: [1], data: new Float32Array(1) },
      'cannot name a tensor',
    ],
  ])('refuses %s and leaves the old file alone', async (_, name, tensor, message) => {
    const folder = await temporaryFolder()
    const path = join(folder, 'model.safetensors')
    await writeFile(path, 'old')
    const bad = new Map([[name, tensor as SafetensorsTensor]])
    await expect(writeSafetensors(path, bad)).rejects.toThrow(SafetensorsError)
    await expect(writeSafetensors(path, bad)).rejects.toThrow(message)
    expect(await readFile(path, 'utf8')).toBe('old')
    expect(await readdir(folder)).toEqual(['model.safetensors'])
  })

  it('asks for values one tensor at a time, and keeps the old file where they are wrong', async () => {
    const path = join(await temporaryFolder(), 'model.safetensors')
    let held = 0
    const pending = (length: number, given = length) => ({
      dtype: 'f32' as const,
      shape: [length],
      read: async () => {
        held++
        expect(held).toBe(1)
        await setImmediate()
        held--
        return new Float32Array(given).fill(length)
      },
    })
    const two = new Map([
      ['a', pending(3)],
      ['b', pending(5)],
    ])
    await writeSafetensors(path, two)
    const { tensors } = await readSafetensors(path)
    expect(tensors.get('b')).toEqual({ dtype: 'f32', shape: [5], data: new Float32Array(5).fill(5) })
    await expect(writeSafetensors(path, new Map([['c', pending(3, 2)]]))).rejects.toThrow(
      'tensor "c" has 2 values; its shape [3] has 3',
    )
    expect([...(await readSafetensors(path)).tensors.keys()]).toEqual(['a', 'b'])
  })

  it('replaces a file and leaves nothing beside it', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'model.safetensors')
    await writeFile(path, 'old')
    await writeSafetensors(path, tensors)
    expect(await readdir(folder)).toEqual(['model.safetensors'])
    expect((await stat(path)).size).toBeGreaterThan(100)
  })
})
