/** A value as a GGUF file has it: its type's number, and its bytes or items. */
export interface Stored {
  readonly type: number
  readonly bytes: Buffer
}

const integer = (bytes: 4 | 8, value: number | bigint): Buffer => {
  const buffer = Buffer.alloc(bytes)
  if (bytes === 4) buffer.writeUInt32LE(Number(value))
  else buffer.writeBigUInt64LE(BigInt(value))
  return buffer
}
export const u32 = (value: number): Stored => ({ type: 4, bytes: integer(4, value) })
export const bool = (value: boolean): Stored => ({ type: 7, bytes: Buffer.from([Number(value)]) })
export const f32 = (value: number): Stored => ({ type: 6, bytes: Buffer.from(Float32Array.of(value).buffer) })
const text = (value: string) => Buffer.concat([integer(8, Buffer.byteLength(value)), Buffer.from(value)])
export const string = (value: string): Stored => ({ type: 8, bytes: text(value) })
export function array(items: readonly Stored[], count: number | bigint = items.length): Stored {
  const type = items[0]?.type ?? 8
  return {
    type: 9,
    bytes: Buffer.concat([integer(4, type), integer(8, count), ...items.map(({ bytes }) => bytes)]),
  }
}

/** A tensor: ggml's number of its type, row-major shape and bytes; `begin` where it is not what follows. */
export interface StoredTensor {
  readonly type: number
  readonly shape: readonly (number | bigint)[]
  readonly bytes: Uint8Array
  readonly begin?: number
}

export const floats = (shape: readonly number[], values: ArrayLike<number>): StoredTensor => ({
  type: 0,
  shape,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
})

const alignment = 32
const padding = (length: number) => Buffer.alloc((alignment - (length % alignment)) % alignment)

/** The bytes of a GGUF file of version 3. */
export function ggufBytes(
  metadata: readonly (readonly [key: string, value: Stored])[],
  tensors: Readonly<Record<string, StoredTensor>> = {},
): Buffer {
  const entries = metadata.map(([key, { type, bytes }]) =>
    Buffer.concat([text(key), integer(4, type), bytes]),
  )
  let end = 0
  const announced = Object.entries(tensors).map(([name, { type, shape, bytes, begin }]) => {
    const place = begin ?? end
    end += bytes.length + padding(bytes.length).length
    const extents = shape.toReversed().map((extent) => integer(8, extent))
    return Buffer.concat([
      text(name),
      integer(4, shape.length),
      ...extents,
      integer(4, type),
      integer(8, place),
    ])
  })
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    integer(4, 3),
    integer(8, announced.length),
    integer(8, entries.length),
    ...entries,
    ...announced,
  ])
  const data = Object.values(tensors).flatMap(({ bytes }) => [bytes, padding(bytes.length)])
  return Buffer.concat([header, padding(header.length), ...data])
}
